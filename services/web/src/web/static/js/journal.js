// The journal: rows by keyboard, totals of what is selected, saved views, live rows that stay put.
import { plain, units } from "./decimal.js";
import { money } from "./locale.js";

const VIEWS = "holdfast.views";
const AHEAD_MS = 300;

export function startJournal() {
  const table = document.getElementById("journal");
  if (!table) return;
  startRows(table);
  startTotals(table);
  startViews();
  startLiveRows(table);
}

const bodyOf = (table) => table.tBodies[0];

function startRows(table) {
  table.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-order]");
    if (!row || event.target.closest("a, input, label, button") || String(getSelection())) return;
    row.querySelector("a").click();
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea, dialog *")) return;
    const links = [...bodyOf(table).querySelectorAll("tr[data-order] a.row-link")];
    const row = document.activeElement.closest?.("tr[data-order]");
    const at = links.findIndex((link) => link.closest("tr") === row);
    const step = { ArrowDown: 1, KeyJ: 1, ArrowUp: -1, KeyK: -1 }[event.code];
    if (step) {
      event.preventDefault();
      links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
    } else if (event.code === "KeyX" && row) {
      row.querySelector("input[type=checkbox]").click();
    }
  });
}

function startTotals(table) {
  const bar = document.getElementById("selected");
  const words = JSON.parse(document.body.dataset.words);
  const all = table.querySelector("[data-select-all]");
  const boxes = () => [...bodyOf(table).querySelectorAll("input[type=checkbox]")];
  const show = () => {
    const chosen = boxes().filter((box) => box.checked).map((box) => box.closest("tr"));
    bar.hidden = !chosen.length;
    const sums = new Map();
    for (const { dataset } of chosen) {
      const sum = sums.get(dataset.currency) ?? { total: 0n, paid: 0n, due: 0n };
      for (const name of Object.keys(sum)) sum[name] += units(dataset[name]);
      sums.set(dataset.currency, sum);
    }
    const format = (value, currency) => money(plain(value, 2), currency, 2);
    bar.textContent = [
      `${words.selected}: ${chosen.length}`,
      ...[...sums].map(([currency, sum]) => ["total", "paid", "due"].map((name) => `${bar.dataset[name]} ${format(sum[name], currency)}`).join(" · ")),
    ].join(" | ");
  };
  table.addEventListener("change", (event) => {
    if (event.target === all) boxes().forEach((box) => { box.checked = all.checked; });
    show();
  });
}

function startViews() {
  const list = document.getElementById("own-views");
  const form = document.getElementById("save-view");
  if (!list || !form) return;
  const read = () => { try { return JSON.parse(localStorage.getItem(VIEWS)) ?? []; } catch { return []; } };
  const show = () => {
    list.replaceChildren(...read().map(({ name, query }) => {
      const link = document.createElement("a");
      link.href = `/orders?${query}`;
      link.textContent = name;
      if (query === form.dataset.query) link.setAttribute("aria-current", "page");
      return link;
    }));
    const saved = read().some((view) => view.query === form.dataset.query);
    form.querySelector("[data-forget]").hidden = !saved;
    form.querySelector("[data-keep]").hidden = saved || !form.dataset.query;
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = form.querySelector("input").value.trim();
    if (!name) return;
    localStorage.setItem(VIEWS, JSON.stringify([...read(), { name, query: form.dataset.query }]));
    form.querySelector("input").value = "";
    show();
  });
  form.querySelector("[data-forget]").addEventListener("click", () => {
    localStorage.setItem(VIEWS, JSON.stringify(read().filter((view) => view.query !== form.dataset.query)));
    show();
  });
  show();
}

function startLiveRows(table) {
  const changed = new Set();
  const unseen = new Set();
  const bar = document.getElementById("new-rows");
  const words = JSON.parse(document.body.dataset.words);
  let timer = 0;

  const refresh = async () => {
    const ids = [...changed].slice(0, 20);
    ids.forEach((id) => changed.delete(id));
    const answer = await fetch(`/orders/rows?${ids.map((id) => `id=${id}`).join("&")}`);
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const fresh of page.querySelectorAll("tr[data-order]")) replace(fresh);
    }
    if (changed.size) timer = setTimeout(refresh, AHEAD_MS);
  };

  // Cells change in place: the row keeps its place, its tick and its focus.
  const replace = (fresh) => {
    const row = bodyOf(table).querySelector(`tr[data-order="${fresh.dataset.order}"]`);
    if (!row) return;
    Object.assign(row.dataset, { ...fresh.dataset });
    [...fresh.cells].forEach((cell, at) => {
      if (!cell.querySelector("input, a") && row.cells[at].innerHTML !== cell.innerHTML) {
        row.cells[at].replaceChildren(...cell.childNodes);
        row.cells[at].classList.add("row-new");
      }
    });
  };

  const refreshSoon = (...ids) => {
    ids.forEach((id) => changed.add(id));
    clearTimeout(timer);
    timer = setTimeout(refresh, AHEAD_MS);
  };

  // What changed while the stream was away was not heard.
  addEventListener("live:again", () => {
    const rows = bodyOf(table).querySelectorAll("tr[data-order]");
    if (rows.length) refreshSoon(...[...rows].map((row) => row.dataset.order));
  });
  addEventListener("live:order", ({ detail }) => {
    if (bodyOf(table).querySelector(`tr[data-order="${detail.order_id}"]`)) {
      refreshSoon(detail.order_id);
    } else if (detail.type === "order_placed.v1") {
      unseen.add(detail.order_id);
      bar.textContent = words.new_rows.replace("{n}", unseen.size);
      bar.hidden = false;
    }
  });
}
