// What every page does with scripts; without them the same pages work by links and forms.
import { readScanner } from "./scanner.js";
import { startLive } from "./live.js";
import { startJournal } from "./journal.js";
import { known } from "./locale.js";

const REFRESH_MS = 400;
const EARLY_KEY = "holdfast.step";
// Longer than any answer takes: web waits 15 s for each call, and a step makes two before its page.
const SENT_MS = 60_000;

function startForms() {
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  // A form is sent once: a second press while it is on its way does nothing.
  document.addEventListener("submit", (event) => {
    // Not `form.method`: that is the field of this name, where there is one.
    if (event.target.getAttribute("method") !== "post") return;
    const form = event.target;
    if (form.dataset.sent) return event.preventDefault();
    const sent = form.dataset.sent = String(Date.now());
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
    // Somebody may have stopped the browser: no answer comes then, and nothing says so.
    setTimeout(() => { if (form.dataset.sent === sent) release(form); }, SENT_MS);
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
  document.addEventListener("click", (event) => {
    const fill = event.target.closest("[data-fill]");
    if (fill) {
      const field = document.getElementById(fill.dataset.fill);
      field.value = fill.dataset.value;
      field.focus();
    }
    for (const menu of document.querySelectorAll("details.menu[open], details.pop[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
}

function release(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
}

function startSearch() {
  const box = document.getElementById("search-box");
  if (!box) return;
  const open = () => {
    if (!box.open) box.showModal();
    box.querySelector("input").select();
  };
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open=search-box]")) {
      event.preventDefault();
      open();
    } else if (event.target === box) {
      box.close();
    }
  });
  addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyK") {
      event.preventDefault();
      open();
    }
  });
  box.addEventListener("keydown", (event) => {
    const found = [...box.querySelectorAll("a.found")];
    const at = found.indexOf(document.activeElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      (found[next] ?? (next < 0 ? box.querySelector("input") : found.at(-1)))?.focus();
    } else if (event.key === "Enter" && at < 0 && found.length) {
      event.preventDefault();
      found[0].click();
    }
  });
}

function startTimes() {
  if (!known) return; // The times stay as the server wrote them.
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  const steps = [[60, "second"], [3600, "minute"], [86400, "hour"], [30 * 86400, "day"]];
  const sizes = { second: 1, minute: 60, hour: 3600, day: 86400 };
  setInterval(() => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const unit = steps.find(([limit]) => Math.abs(seconds) < limit)?.[1];
      if (unit) time.textContent = relative.format(Math.round(seconds / sizes[unit]), unit);
    }
  }, 30_000);
}

function startSaid() {
  const said = document.querySelector("[data-toast]");
  if (!said) return;
  const address = new URL(location);
  address.searchParams.delete("said");
  history.replaceState(null, "", address);
  const undo = said.querySelector("[data-for-seconds]");
  if (undo) setTimeout(() => undo.remove(), Number(undo.dataset.forSeconds) * 1000);
}

function startOrder() {
  const order = document.getElementById("order");
  if (!order) return;
  startSteps(order);
  // A refused form keeps its key until it is sent again, so nothing is drawn over it.
  if ("refused" in order.dataset) return;
  let timer = 0;
  const busy = () => leaving() || order.querySelector("details[open].pop") ||
    [...order.querySelectorAll("input, select")].some(changed) ||
    (order.contains(document.activeElement) && document.activeElement.matches("input, select"));
  const refresh = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (busy()) return refresh(); // Not under the hand of someone typing.
      htmx.trigger("#order", "order-moved");
    }, REFRESH_MS);
  };
  // Someone may have begun to type since the page was asked for.
  order.addEventListener("htmx:before:swap", (event) => {
    if (!busy()) return;
    event.preventDefault();
    refresh();
  });
  for (const kind of ["order", "print"]) {
    addEventListener(`live:${kind}`, ({ detail }) => {
      if (detail.order_id === order.dataset.order) refresh();
    });
  }
  addEventListener("live:again", refresh);
  // After a step, what it caused may have passed between this page and its stream.
  if (document.querySelector("[data-toast]")) addEventListener("live:begun", refresh, { once: true });
}

// Whether a hand gave the field another value than the page came with.
const changed = (field) => field.options
  ? field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected))
  : field.value !== field.defaultValue || field.checked !== field.defaultChecked;

// A form is on its way, and its answer will replace the page.
const leaving = () => document.querySelector("#order form[data-sent]");

// Keys of the steps: the scanner brought the order here, the hand goes on. A key that is pressed
// before the answer to the last step has come is that of the next page.
function startSteps(order) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // What is typed while a form is on its way is for the next page, wherever the focus stayed.
    if (!leaving() && event.target.matches("input, select, textarea")) return;
    const head = [...document.querySelectorAll("summary[data-key]")].find((one) => event.code === `Key${one.dataset.key.toUpperCase()}`);
    if (!head) return;
    event.preventDefault();
    if (leaving()) return sessionStorage.setItem(EARLY_KEY, JSON.stringify({ order: order.dataset.order, key: head.dataset.key }));
    return openStep(head.parentElement);
  });
  const early = JSON.parse(sessionStorage.getItem(EARLY_KEY));
  sessionStorage.removeItem(EARLY_KEY);
  const next = early?.order === order.dataset.order && !("refused" in order.dataset) &&
    order.querySelector(`summary[data-key="${early.key}"]`)?.parentElement;
  const wanted = new URLSearchParams(location.search).get("step");
  const open = next || (wanted && order.querySelector("details.step[open]"));
  if (open) openStep(open);
}

function openStep(step) {
  step.open = true;
  focusStep(step);
}

const focusStep = (step) => (step.querySelector("[data-focus]") ?? step.querySelector("button:not([type=button])"))?.focus();

// Away from the till a scanner opens what it reads: an order by its number, an item's stock.
function startScans() {
  if (document.getElementById("till") || !document.getElementById("search-box")) return;
  readScanner(async (code) => {
    const answer = await fetch(`/take-order/scan?code=${encodeURIComponent(code)}`, { headers: { Accept: "application/json" } });
    const found = answer.ok ? await answer.json() : { kind: "none" };
    if (found.kind === "order") location.assign(found.address);
    else if (found.kind === "item") location.assign(`/stock?sku=${encodeURIComponent(found.item.sku)}`);
    else location.assign(`/search?q=${encodeURIComponent(code)}`);
  }, () => null);
}

startForms();
startSearch();
startTimes();
startSaid();
startOrder();
startJournal();
startScans();
startLive();
