// One stream of changes for the page; every part listens to `live:order`, `live:stock`, …

const KINDS = ["order", "stock", "print", "scan"];

export function startLive() {
  const dot = document.querySelector("[data-live]");
  if (!dot || !window.EventSource) return;
  const word = dot.querySelector("[data-live-word]");
  const words = JSON.parse(document.body.dataset.words);
  let lostAt = 0;
  const show = (live) => {
    dot.classList.toggle("is-live", live);
    dot.classList.toggle("is-lost", !live);
    const text = live ? words.online : words.offline;
    if (word.textContent !== text) word.textContent = text;
  };
  const source = new EventSource("/api/v1/live");
  const heard = (event) => {
    const { live } = JSON.parse(event.data);
    show(live);
    dispatchEvent(new CustomEvent(lostAt ? "live:again" : "live:begun"));
    lostAt = 0;
  };
  source.addEventListener("hello", heard);
  source.addEventListener("beat", (event) => show(JSON.parse(event.data).live));
  source.addEventListener("error", () => {
    lostAt ||= Date.now();
    // The stream ends by itself now and then and comes back at once: only a real loss is shown.
    setTimeout(() => { if (lostAt) show(false); }, 4000);
  });
  for (const kind of KINDS) {
    source.addEventListener(kind, (event) => {
      dispatchEvent(new CustomEvent(`live:${kind}`, { detail: JSON.parse(event.data) }));
    });
  }
  addEventListener("pagehide", () => source.close());
}
