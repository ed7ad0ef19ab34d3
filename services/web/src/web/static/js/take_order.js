// Take order: the scanner and the keys write the draft; the page shows it.
import { ask, Refusal } from "./ask.js";
import { combo } from "./combo.js";
import { plain, trimmed, units } from "./decimal.js";
import { Draft } from "./draft.js";
import { money } from "./locale.js";
import { readScanner } from "./scanner.js";
import { Lines } from "./till_lines.js";
import { Side } from "./till_side.js";

const SCAN_AGE_MAX_MS = 60_000; // By two clocks: that of the agent and the one here.
const $ = (id) => document.getElementById(id);

class Till {
  constructor(element) {
    const { said, store, holdMethod, holdDays, percent, warehouses } = element.dataset;
    this.words = JSON.parse(said);
    this.say = (word, values = {}) => this.words[word].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
    this.draft = new Draft({
      store, holdMethod, holdDays: holdDays || "3", percent, warehouses: JSON.parse(warehouses),
    });
    this.accepting = false;
    this.lines = new Lines(this);
    this.side = new Side(this);
    this.findItems();
    this.listen();
    this.show();
    this.lines.askAllStock();
    for (const line of this.draft.state.lines.filter((one) => one.state === "looking")) this.lookUp(line);
    this.addKept(); // A reload came before the answer to the order.
  }

  money(value) {
    return money(plain(value, this.draft.digits), this.draft.currency, this.draft.digits);
  }

  /** Says it to those who do not see the page change. */
  voice(text) {
    $("till-voice").textContent = text;
  }

  show() {
    this.lines.show();
    this.side.show();
    this.showParked();
  }

  showParked() {
    $("parked").replaceChildren(...this.draft.parked.map((one) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.className = "btn btn-sm";
      const who = one.customer?.name || one.customerText || this.say("no_customer");
      chip.textContent = `${this.say("parked")}: ${who} (${one.lines.length})`;
      chip.addEventListener("click", () => { this.draft.unpark(one.id); this.restart(); });
      return chip;
    }));
  }

  restart() {
    this.lines.refused.clear();
    this.side.clearRefusals();
    this.show();
    this.lines.askAllStock();
    $("item").focus();
  }

  // Items: scanned or typed

  /** Adds a scanned code or a chosen item; what comes while an order is on its way waits for the answer. */
  take(one) {
    if (this.accepting) return this.draft.keep(one);
    this.side.clearRefusals();
    return this.add(one);
  }

  add({ code, item, text }) {
    return code === undefined ? this.chosen(item, text) : this.scanned(code);
  }

  addKept() {
    for (const one of this.draft.takeKept()) this.add(one);
  }

  added(line) {
    this.voice(this.say("added", { item: line.name, count: line.quantity }));
    this.show();
    this.lines.point(line);
  }

  async scanned(code) {
    const { lines } = this.draft.state;
    const known = lines.find((line) => line.sku && (line.codes ?? []).includes(code));
    if (known) return this.added(this.draft.add({ sku: known.sku }));
    const waiting = lines.find((line) => line.state === "looking" && line.code === code);
    if (waiting) {
      waiting.quantity = String(Number(waiting.quantity) + 1);
      this.draft.save();
      return this.added(waiting);
    }
    // The row is there at once; what it is follows.
    const line = this.draft.add({ name: code, code, price: "", state: "looking" });
    this.added(line);
    return this.lookUp(line);
  }

  async lookUp(line) {
    let found;
    try {
      found = await ask(`/take-order/scan?code=${encodeURIComponent(line.code)}`);
    } catch (error) {
      this.lines.refused.set(line.id, (error instanceof Refusal && error.message) || this.say("lost"));
      return this.show();
    }
    const current = this.draft.state.lines.find((one) => one.id === line.id);
    if (!current) return undefined; // It was removed meanwhile.
    if (found.kind === "order") {
      this.draft.remove(line.id);
      return location.assign(found.address);
    }
    if (found.kind === "item") {
      this.settle(current, found.item);
      return this.lines.askStock([found.item.sku]);
    }
    Object.assign(current, { state: "known", sku: null });
    this.draft.save();
    this.lines.refused.set(line.id, this.say("unknown", { code: line.code }));
    return this.show();
  }

  /** The row becomes the item that was found, or joins the row that has it already. */
  settle(line, item) {
    const twin = this.draft.state.lines.find((one) => one.sku === item.sku && one.id !== line.id);
    if (twin) {
      twin.quantity = trimmed(plain(units(twin.quantity) + units(line.quantity), 3));
      this.draft.remove(line.id);
    } else {
      Object.assign(line, {
        sku: item.sku, name: item.name, unit: item.unit, price: item.price, listPrice: item.price,
        currency: item.currency, codes: item.barcodes, state: "known",
      });
      this.draft.save();
    }
    this.show();
  }

  findItems() {
    combo($("item"), $("item-list"), async (text) => {
      const found = await ask(`/take-order/items?q=${encodeURIComponent(text)}`);
      return [
        ...found.items.map((item) => ({ label: item.name, detail: `${item.sku} · ${item.price_text}`, value: item })),
        { label: text, detail: this.say("special"), value: null },
      ];
    }, (item, text) => {
      $("item").value = "";
      this.take({ item, text: text.trim() });
    });
  }

  chosen(item, text) {
    const line = this.draft.add(item ?? { name: text, price: "" });
    if (item) line.codes = item.barcodes;
    this.draft.save();
    this.added(line);
    this.lines.askStock([line.sku]);
    (item ? $("item") : this.lines.rows.get(line.id).price).focus();
  }

  // Taking the order

  async accept() {
    if (this.accepting) return;
    this.side.clearRefusals();
    const problem = this.draft.problem();
    if (problem) return this.showProblem(problem);
    this.wait(true);
    this.voice(this.say("accepting"));
    const show = await ask("/take-order/accept", this.draft.body())
      .then((answer) => () => this.finish(answer), (error) => () => this.showRefusal(error));
    this.wait(false);
    show();
    this.addKept();
  }

  /** While an order is on its way only the item's field is open: what it takes is kept for after. */
  wait(accepting) {
    this.accepting = accepting;
    if (accepting) $("item").focus();
    for (const part of document.querySelectorAll(".till-side, .till-scroll, .keys, #parked")) part.inert = accepting;
    $("accept").disabled = accepting;
  }

  showProblem({ line, field, word }) {
    const sentence = this.say(word);
    if (line) this.lines.refuse(line, sentence, word === "bad_price" ? "price" : "quantity");
    else if (field === "prepayment") this.side.refuse("prepayment-says", sentence, "prepayment");
    else this.side.refuse("order-says", sentence, "item");
  }

  showRefusal(error) {
    if (!(error instanceof Refusal)) return this.side.refuse("order-says", this.say("lost"));
    if (error.status === 401) return this.side.refuse("order-says", this.say("signed_out"));
    if (error.errors.some(({ pointer }) => pointer === "/id")) return this.showTaken(error.message);
    if (error.status === 422) this.draft.countAnew();
    const placed = error.errors.filter((one) => this.placeInLine(one) || this.side.place(one));
    if (!placed.length) this.side.refuse("order-says", error.message);
    return undefined;
  }

  /** An earlier try was taken, and the draft has changed since. */
  showTaken(sentence) {
    const { id } = this.draft.state;
    this.draft.parkAnew();
    this.restart();
    this.side.refuse("order-says", sentence);
    this.showAccepted(id);
  }

  placeInLine({ pointer, detail }) {
    const found = /^\/lines\/(\d+)(?:\/(\w+))?/.exec(pointer);
    const line = found && this.draft.state.lines[Number(found[1])];
    if (line) this.lines.refuse(line.id, detail, found[2] === "unit_price" ? "price" : "quantity");
    return !!line;
  }

  finish({ order, payment_problem: paymentProblem }) {
    this.draft.renew();
    this.restart();
    this.voice(this.say("accepted", { number: order.number }));
    if (paymentProblem) this.side.refuse("order-says", `${order.number}: ${paymentProblem}`);
    this.showAccepted(order.id);
  }

  showAccepted(id) {
    htmx.ajax("GET", `/take-order/accepted/${id}`, { target: "#accepted", swap: "innerHTML" });
  }

  // Keys

  get keys() {
    const goTo = (id) => () => { $(id).focus(); $(id).select?.(); };
    return {
      F2: goTo("item"), F3: goTo("customer"), F4: goTo("hold-days"), F6: goTo("prepayment"),
      F8: () => this.parkOrBringBack(),
      F9: () => this.side.nextPay(),
      Enter: () => this.accept(),
      Escape: () => {
        $("item").value = "";
        $("item").dispatchEvent(new Event("input"));
        $("item").focus();
      },
      "?": () => $("help").showModal(),
    };
  }

  parkOrBringBack() {
    if (!this.draft.empty) this.draft.park();
    else if (this.draft.parked.length) this.draft.unpark(this.draft.parked.at(-1).id);
    this.restart();
  }

  press(event) {
    const { key, target } = event;
    const elsewhere = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey;
    if (elsewhere || document.querySelector("dialog[open]")) return;
    const typing = target.tagName === "INPUT" && target.type !== "radio" && target.value;
    if (key === "?" && typing) return;
    if (key === "Enter" && (target.closest("a, button, summary, select, form") || (target.id === "item" && typing))) return;
    const act = this.keys[key];
    if (!act) return;
    event.preventDefault();
    if (!this.accepting) act();
  }

  listen() {
    addEventListener("keydown", (event) => this.press(event));
    $("accept").addEventListener("click", () => this.accept());
    for (const button of document.querySelectorAll("[data-press]")) {
      button.addEventListener("click", () => this.keys[{ Esc: "Escape" }[button.dataset.press] ?? button.dataset.press]());
    }
    readScanner((code) => this.take({ code }), () => (document.querySelector("dialog[open]") ? null : $("item")));
    addEventListener("live:scan", ({ detail }) => {
      // An agent that was cut off tells late what it read: that belongs to no order of now.
      const late = Date.now() - Date.parse(detail.at) > SCAN_AGE_MAX_MS;
      const here = detail.store_id === this.draft.till.store && document.visibilityState === "visible";
      if (here && !late) this.take({ code: detail.code });
    });
    for (const kind of ["live:order", "live:print"]) {
      addEventListener(kind, ({ detail }) => {
        const card = document.querySelector(".accepted-card");
        if (card?.dataset.order === detail.order_id) this.showAccepted(detail.order_id);
      });
    }
  }
}

const element = $("till");
if (element) new Till(element);
