// Take order: the scanner and the keys write the draft; the page shows it.
import { ask, Refusal } from "./ask.js";
import { combo } from "./combo.js";
import { plain, trimmed, typed, units } from "./decimal.js";
import { Draft } from "./draft.js";
import { readScanner } from "./scanner.js";

const till = document.getElementById("till");
if (till) start();

function start() {
  const $ = (id) => document.getElementById(id);
  const words = JSON.parse(till.dataset.said);
  const say = (word, values = {}) => words[word].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const language = document.documentElement.lang;
  const draft = new Draft({
    store: till.dataset.store, holdMethod: till.dataset.holdMethod, holdDays: till.dataset.holdDays || "3",
    percent: till.dataset.percent, warehouses: JSON.parse(till.dataset.warehouses),
  });
  const stock = new Map(); // SKU to its promise, refreshed live.
  const refused = new Map(); // Line id to the sentence beside it.
  const rows = new Map(); // Line id to its row.
  let accepting = false;

  const money = (value) => new Intl.NumberFormat(language, {
    style: "currency", currency: draft.currency, minimumFractionDigits: draft.digits,
  }).format(plain(value, draft.digits));
  const number = (text) => new Intl.NumberFormat(language, { maximumFractionDigits: 3 }).format(text);
  const voice = (text) => { $("till-voice").textContent = text; };

  // Lines

  function rowOf(line) {
    const known = rows.get(line.id);
    if (known) return known;
    const row = $("line-template").content.firstElementChild.cloneNode(true);
    row.dataset.line = line.id;
    const find = (name) => row.querySelector(`.line-${name}`);
    const parts = {
      row, name: find("name"), description: find("description"), stock: find("stock"), refusal: find("refusal"),
      quantity: find("quantity"), price: find("price"), amount: find("amount"), remove: find("remove"),
    };
    const current = () => draft.state.lines.find((one) => one.id === line.id);
    parts.quantity.addEventListener("input", () => change(current(), "quantity", parts.quantity.value));
    parts.price.addEventListener("input", () => change(current(), "price", parts.price.value));
    parts.description.addEventListener("input", () => change(current(), "name", parts.description.value));
    parts.quantity.addEventListener("keydown", (event) => {
      const step = { ArrowUp: "1", ArrowDown: "-1" }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = units(typed(parts.quantity.value) ?? "0") + units(step);
      if (next <= 0n) return;
      parts.quantity.value = trimmed(plain(next, 3));
      change(current(), "quantity", parts.quantity.value);
    });
    row.addEventListener("keydown", (event) => {
      const whole = event.target.selectionStart === 0 && event.target.selectionEnd === event.target.value?.length;
      if (event.key === "Delete" && (event.target.tagName !== "INPUT" || whole)) {
        event.preventDefault();
        drop(line.id);
      }
    });
    parts.remove.addEventListener("click", () => drop(line.id));
    rows.set(line.id, parts);
    return parts;
  }

  function change(line, name, value) {
    if (!line) return;
    line[name] = value;
    refused.delete(line.id);
    draft.save();
    show();
  }

  function drop(id) {
    draft.remove(id);
    refused.delete(id);
    show();
    $("item").focus();
  }

  function promise(line) {
    if (line.state === "looking") return say("looking");
    if (!line.sku) return say("special_hint");
    const known = stock.get(line.sku);
    if (!known) return line.sku;
    const parts = [`${say("here")} ${number(known.here)}`, `${say("elsewhere")} ${number(known.elsewhere)}`];
    if (units(known.expected) > 0n) parts.push(`${say("expected")} ${number(known.expected)}`);
    return parts.join(" · ");
  }

  /** At least the currency's decimals, and those of a price that has more. */
  const priceText = (price) => {
    const found = typed(price ?? "");
    if (found === null) return price ?? "";
    const digits = Math.max(draft.digits, (trimmed(found).split(".")[1] ?? "").length);
    return plain(units(found), digits);
  };

  function shortage(line) {
    const known = line.sku && stock.get(line.sku);
    const quantity = typed(line.quantity);
    if (!known || quantity === null) return null;
    const missing = units(quantity) - units(typed(known.here) ?? "0");
    return missing > 0n ? say("short", { count: number(trimmed(plain(missing, 3))) }) : null;
  }

  const put = (input, value) => {
    if (document.activeElement !== input && input.value !== value) input.value = value;
  };

  function showLine(line) {
    const parts = rowOf(line);
    const special = !line.sku && line.state !== "looking";
    parts.name.textContent = special ? "" : line.name;
    parts.description.hidden = !special;
    put(parts.description, line.name);
    parts.description.setAttribute("aria-label", say("special"));
    parts.quantity.setAttribute("aria-label", say("quantity_of", { item: line.name }));
    parts.price.setAttribute("aria-label", say("price_of", { item: line.name }));
    parts.remove.setAttribute("aria-label", say("remove", { item: line.name }));
    // A scan into a line whose quantity has the focus shows at once too.
    if (parts.quantity.value !== line.quantity) parts.quantity.value = line.quantity;
    put(parts.price, priceText(line.price));
    const amount = draft.amount(line);
    parts.amount.textContent = amount === null || line.state === "looking" ? "–" : money(amount);
    const short = shortage(line);
    parts.stock.textContent = short ? `${promise(line)} · ${short}` : promise(line);
    parts.stock.classList.toggle("wait", !!short);
    const sentence = refused.get(line.id);
    parts.refusal.textContent = sentence ?? "";
    parts.refusal.hidden = !sentence;
    return parts.row;
  }

  function show() {
    const { state } = draft;
    const body = $("lines");
    const alive = new Set(state.lines.map((line) => line.id));
    for (const [id, parts] of rows) {
      if (!alive.has(id)) {
        parts.row.remove();
        rows.delete(id);
      }
    }
    state.lines.forEach((line, at) => {
      const row = showLine(line);
      if (body.children[at] !== row) body.insertBefore(row, body.children[at] ?? null);
    });
    $("no-lines").hidden = state.lines.length > 0;
    $("total").textContent = state.lines.length ? money(draft.total) : "–";
    const percent = typed(draft.till.percent || "");
    $("percent").textContent = percent && state.prepayment === null ? `${number(percent)} %` : "";
    put($("prepayment"), state.prepayment ?? (state.lines.length ? draft.proposed ?? "" : ""));
    put($("customer"), state.customer ? state.customer.name : state.customerText);
    const { customer } = state;
    $("customer-says").textContent = customer?.id
      ? [customer.phone, customer.card_number, customer.category].filter(Boolean).join(" · ")
      : state.customerText ? say("name_only") : "";
    put($("hold-days"), state.holdDays);
    const { until } = draft;
    $("hold-until").textContent = until
      ? say("until", { day: new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", month: "short" }).format(until) })
      : "";
    for (const radio of document.querySelectorAll("[name=hold-method]")) radio.checked = radio.value === state.holdMethod;
    for (const radio of document.querySelectorAll("[name=pay]")) radio.checked = radio.value === state.pay;
    $("hold-warehouse").value = state.warehouse;
    $("channel").value = state.channel;
    showParked();
  }

  function showParked() {
    $("parked").replaceChildren(...draft.parked.map((one) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "btn btn-sm";
      const who = one.customer?.name || one.customerText || say("no_customer");
      chip.textContent = `${say("parked")}: ${who} (${one.lines.length})`;
      chip.addEventListener("click", () => { draft.unpark(one.id); restart(); });
      return chip;
    }));
  }

  function restart() {
    refused.clear();
    clearRefusals();
    show();
    askStock(draft.state.lines.map((line) => line.sku));
    $("item").focus();
  }

  // Stock

  async function askStock(skus) {
    const wanted = [...new Set(skus.filter(Boolean))];
    if (!wanted.length) return;
    const query = wanted.map((sku) => `sku=${encodeURIComponent(sku)}`).join("&");
    try {
      const found = await ask(`/take-order/stock?store_id=${draft.till.store}&${query}`);
      for (const [sku, known] of Object.entries(found.stock)) stock.set(sku, known);
      show();
    } catch { /* The line shows its SKU instead; the order itself decides. */ }
  }

  addEventListener("live:stock", ({ detail }) => {
    const known = stock.get(detail.sku);
    if (!known) return;
    const here = detail.store_id === draft.till.store;
    known.warehouses[detail.warehouse_id] = { here, available: detail.available, expected: detail.expected };
    const sum = (keep, name) => trimmed(plain(
      Object.values(known.warehouses).filter(keep).reduce((all, one) => all + units(one[name]), 0n), 3));
    known.here = sum((one) => one.here, "available");
    known.elsewhere = sum((one) => !one.here, "available");
    known.expected = sum(() => true, "expected");
    show();
  });

  // Items: scanned or typed

  function added(line) {
    voice(say("added", { item: line.name, count: line.quantity }));
    show();
    const { row } = rows.get(line.id);
    row.classList.remove("row-new");
    void row.offsetWidth; // Begins the mark anew when the same line is scanned again.
    row.classList.add("row-new");
    row.scrollIntoView({ block: "nearest" });
  }

  async function scanned(code) {
    $("order-says").textContent = "";
    const known = draft.state.lines.find((line) => line.sku && (line.codes ?? []).includes(code));
    if (known) return added(draft.add({ sku: known.sku }));
    const waiting = draft.state.lines.find((line) => line.state === "looking" && line.code === code);
    if (waiting) {
      waiting.quantity = String(Number(waiting.quantity) + 1);
      draft.save();
      return added(waiting);
    }
    // The row is there at once; what it is follows.
    const line = draft.add({ name: code, code, price: "", state: "looking" });
    added(line);
    return lookUp(line);
  }

  async function lookUp(line) {
    let found;
    try {
      found = await ask(`/take-order/scan?code=${encodeURIComponent(line.code)}`);
    } catch (error) {
      refused.set(line.id, error instanceof Refusal && error.message ? error.message : say("lost"));
      return show();
    }
    const current = draft.state.lines.find((one) => one.id === line.id);
    if (!current) return null;
    if (found.kind === "order") {
      draft.remove(line.id);
      location.assign(found.address);
      return null;
    }
    if (found.kind === "none") {
      Object.assign(current, { state: "known", sku: null, special: true });
      refused.set(line.id, say("unknown", { code: line.code }));
      draft.save();
      return show();
    }
    settle(current, found.item);
    return askStock([found.item.sku]);
  }

  function settle(line, item) {
    const twin = draft.state.lines.find((one) => one.sku === item.sku && one.id !== line.id);
    if (twin) {
      twin.quantity = trimmed(plain(units(twin.quantity) + units(line.quantity), 3));
      draft.remove(line.id);
    } else {
      Object.assign(line, {
        sku: item.sku, name: item.name, unit: item.unit, price: item.price, listPrice: item.price,
        currency: item.currency, codes: item.barcodes, state: "known",
      });
      draft.save();
    }
    show();
  }

  combo($("item"), $("item-list"), async (text) => {
    const found = await ask(`/take-order/items?q=${encodeURIComponent(text)}`);
    return [
      ...found.items.map((item) => ({ label: item.name, detail: `${item.sku} · ${item.price_text}`, value: item })),
      { label: text, detail: say("special"), value: null },
    ];
  }, (item, text) => {
    $("item").value = "";
    if (item) {
      const line = draft.add(item);
      line.codes = item.barcodes;
      draft.save();
      added(line);
      askStock([item.sku]);
      $("item").focus();
      return;
    }
    const line = draft.add({ name: text.trim(), price: "" });
    added(line);
    rows.get(line.id).price.focus();
  });

  // Customer

  combo($("customer"), $("customer-list"), async (text) => {
    const found = await ask(`/take-order/customers?q=${encodeURIComponent(text)}`);
    const only = /^\d+$/.test(text) ? [] : [{ label: text, detail: say("name_only"), value: { name: text } }];
    return [
      ...found.items.map((one) => ({ label: one.name, detail: [one.phone, one.card_number].filter(Boolean).join(" · "), value: one })),
      ...only,
    ];
  }, (customer) => {
    draft.state.customer = customer.id ? customer : null;
    draft.state.customerText = customer.id ? "" : customer.name;
    draft.save();
    $("customer").value = customer.name;
    show();
    $("item").focus();
  });
  $("customer").addEventListener("input", () => {
    draft.state.customer = null;
    draft.state.customerText = $("customer").value;
    draft.save();
    $("customer-says").textContent = "";
  });

  // Hold and money

  const keep = (name, value) => { draft.state[name] = value; draft.save(); clearRefusals(); show(); };
  $("hold-days").addEventListener("input", () => keep("holdDays", $("hold-days").value.trim()));
  $("hold-warehouse").addEventListener("change", () => keep("warehouse", $("hold-warehouse").value));
  $("channel").addEventListener("change", () => keep("channel", $("channel").value));
  $("prepayment").addEventListener("input", () => {
    const text = $("prepayment").value.trim();
    keep("prepayment", text === "" ? null : text);
  });
  for (const radio of document.querySelectorAll("[name=hold-method]")) {
    radio.addEventListener("change", () => keep("holdMethod", radio.value));
  }
  for (const radio of document.querySelectorAll("[name=pay]")) {
    radio.addEventListener("change", () => keep("pay", radio.value));
  }

  // Accepting

  function clearRefusals() {
    for (const id of ["hold-says", "prepayment-says", "order-says"]) {
      $(id).textContent = "";
      $(id).classList.remove("bad");
    }
    $("customer-says").classList.remove("bad");
  }

  function refuse(id, sentence, focus) {
    $(id).textContent = sentence;
    $(id).classList.add("bad");
    if (focus) {
      $(focus).focus();
      $(focus).select?.();
    }
  }

  function refuseLine(id, sentence, name = "quantity") {
    refused.set(id, sentence);
    show();
    rows.get(id)?.[name].focus();
    rows.get(id)?.[name].select();
  }

  function showErrors(error) {
    let placed = false;
    for (const { pointer, detail } of error.errors) {
      const line = /^\/(?:order\/)?lines\/(\d+)(?:\/(\w+))?/.exec(pointer);
      const lineId = line && draft.state.lines[Number(line[1])]?.id;
      if (lineId) refuseLine(lineId, detail, line[2] === "unit_price" ? "price" : "quantity");
      else if (pointer.startsWith("/hold")) refuse("hold-says", detail, "hold-days");
      else if (pointer.startsWith("/customer")) refuse("customer-says", detail, "customer");
      else if (pointer.startsWith("/prepayment")) refuse("prepayment-says", detail, "prepayment");
      else continue;
      placed = true;
    }
    if (!placed) refuse("order-says", error.message);
  }

  async function accept() {
    if (accepting) return;
    clearRefusals();
    const problem = draft.problem();
    if (problem) {
      if (problem.line) refuseLine(problem.line, say(problem.word), problem.word === "bad_price" ? "price" : "quantity");
      else if (problem.field === "prepayment") refuse("prepayment-says", say(problem.word), "prepayment");
      else refuse("order-says", say(problem.word), "item");
      return;
    }
    accepting = true;
    $("accept").disabled = true;
    voice(say("accepting"));
    try {
      const answer = await ask("/take-order/accept", draft.body());
      finish(answer);
    } catch (error) {
      if (error instanceof Refusal && error.status === 401) refuse("order-says", say("signed_out"));
      else if (error instanceof Refusal) showErrors(error);
      else refuse("order-says", say("lost"));
    } finally {
      accepting = false;
      $("accept").disabled = false;
    }
  }

  function finish({ order, payment_problem: paymentProblem }) {
    draft.renew();
    restart();
    voice(say("accepted", { number: order.number }));
    if (paymentProblem) refuse("order-says", `${order.number}: ${paymentProblem}`);
    htmx.ajax("GET", `/take-order/accepted/${order.id}`, { target: "#accepted", swap: "innerHTML" });
  }
  $("accept").addEventListener("click", accept);

  // Keys

  const goTo = (id) => { $(id).focus(); $(id).select?.(); };
  const keys = {
    F2: () => goTo("item"),
    F3: () => goTo("customer"),
    F4: () => goTo("hold-days"),
    F6: () => goTo("prepayment"),
    F8: () => {
      if (!draft.empty) draft.park();
      else if (draft.parked.length) draft.unpark(draft.parked.at(-1).id);
      restart();
    },
    F9: () => {
      const order = ["later", "cash", "card"];
      keep("pay", order[(order.indexOf(draft.state.pay) + 1) % order.length]);
    },
    Enter: accept,
    Escape: () => { $("item").value = ""; $("item").dispatchEvent(new Event("input")); goTo("item"); },
    Esc: () => keys.Escape(),
    "?": () => $("help").showModal(),
  };

  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = ["INPUT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "radio";
    if (event.key === "?" && typing && event.target.value) return;
    if (event.key === "Enter" && (event.target.closest("a, button, summary, select") || event.target.closest("form"))) return;
    const act = event.key !== "Esc" && keys[event.key];
    if (!act) return;
    if (event.key === "Enter" && event.target.id === "item" && event.target.value.trim()) return;
    event.preventDefault();
    act();
  });
  for (const button of document.querySelectorAll("[data-press]")) {
    button.addEventListener("click", () => keys[button.dataset.press]());
  }

  readScanner(scanned, () => (document.querySelector("dialog[open]") ? null : $("item")));
  addEventListener("live:scan", ({ detail }) => {
    if (detail.store_id === draft.till.store && document.visibilityState === "visible") scanned(detail.code);
  });
  addEventListener("live:order", ({ detail }) => {
    const card = document.querySelector(".accepted-card");
    if (card?.dataset.order === detail.order_id) {
      htmx.ajax("GET", `/take-order/accepted/${detail.order_id}`, { target: "#accepted", swap: "innerHTML" });
    }
  });

  show();
  askStock(draft.state.lines.map((line) => line.sku));
  for (const line of draft.state.lines.filter((one) => one.state === "looking")) lookUp(line);
}
