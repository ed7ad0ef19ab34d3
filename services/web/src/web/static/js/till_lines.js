// The lines of the order as rows: what each is, what can be promised of it, what is wrong with it.
import { ask } from "./ask.js";
import { plain, trimmed, typed, units } from "./decimal.js";
import { number } from "./locale.js";

const STOCK_AT_ONCE = 50; // SKUS_MAX of take_order.py.
const PARTS = ["name", "description", "stock", "refusal", "quantity", "price", "amount", "remove"];

export class Lines {
  constructor(till) {
    this.till = till;
    this.draft = till.draft;
    this.stock = new Map(); // SKU to its promise, refreshed live.
    this.refused = new Map(); // Line id to the sentence beside it.
    this.rows = new Map(); // Line id to the parts of its row.
    this.body = document.getElementById("lines");
    addEventListener("live:stock", ({ detail }) => this.moved(detail));
    addEventListener("live:again", () => this.askAllStock()); // What moved meanwhile was not heard.
  }

  show() {
    const { lines } = this.draft.state;
    const alive = new Set(lines.map((line) => line.id));
    for (const [id, parts] of this.rows) {
      if (alive.has(id)) continue;
      parts.row.remove();
      this.rows.delete(id);
      this.refused.delete(id);
    }
    lines.forEach((line, at) => {
      const row = this.showLine(line);
      if (this.body.children[at] !== row) this.body.insertBefore(row, this.body.children[at] ?? null);
    });
    document.getElementById("no-lines").hidden = lines.length > 0;
  }

  rowOf(line) {
    const known = this.rows.get(line.id);
    if (known) return known;
    const row = document.getElementById("line-template").content.firstElementChild.cloneNode(true);
    row.dataset.line = line.id;
    const parts = { row };
    for (const name of PARTS) parts[name] = row.querySelector(`.line-${name}`);
    this.rows.set(line.id, parts);
    this.listen(line.id, parts);
    return parts;
  }

  listen(id, parts) {
    const fields = { quantity: "quantity", price: "price", description: "name" };
    for (const [part, field] of Object.entries(fields)) {
      parts[part].addEventListener("input", () => this.change(id, field, parts[part].value));
    }
    parts.quantity.addEventListener("keydown", (event) => {
      const step = { ArrowUp: "1", ArrowDown: "-1" }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = units(typed(parts.quantity.value) ?? "0") + units(step);
      if (next > 0n) this.change(id, "quantity", trimmed(plain(next, 3)));
    });
    parts.row.addEventListener("keydown", (event) => {
      const { tagName, selectionStart, selectionEnd, value } = event.target;
      const whole = selectionStart === 0 && selectionEnd === value?.length;
      if (event.key !== "Delete" || (tagName === "INPUT" && !whole)) return;
      event.preventDefault();
      this.drop(id);
    });
    parts.remove.addEventListener("click", () => this.drop(id));
  }

  change(id, name, value) {
    const line = this.draft.state.lines.find((one) => one.id === id);
    if (!line) return;
    line[name] = value;
    this.refused.delete(id);
    this.draft.save();
    this.till.show();
  }

  drop(id) {
    this.draft.remove(id);
    this.till.show();
    document.getElementById("item").focus();
  }

  showLine(line) {
    const { say } = this.till;
    const parts = this.rowOf(line);
    const special = !line.sku && line.state !== "looking";
    parts.name.textContent = special ? "" : line.name;
    parts.description.hidden = !special;
    put(parts.description, line.name);
    parts.description.setAttribute("aria-label", say("special"));
    parts.quantity.setAttribute("aria-label", say("quantity_of", { item: line.name }));
    parts.price.setAttribute("aria-label", say("price_of", { item: line.name }));
    parts.remove.setAttribute("aria-label", say("remove", { item: line.name }));
    // Also while it has the focus: a scan of the same item shows at once.
    if (parts.quantity.value !== line.quantity) parts.quantity.value = line.quantity;
    put(parts.price, this.priceText(line.price));
    const amount = this.draft.amount(line);
    parts.amount.textContent = amount === null || line.state === "looking" ? "–" : this.till.money(amount);
    const short = this.shortage(line);
    parts.stock.textContent = short ? `${this.promise(line)} · ${short}` : this.promise(line);
    parts.stock.classList.toggle("wait", !!short);
    const sentence = this.refused.get(line.id);
    parts.refusal.textContent = sentence ?? "";
    parts.refusal.hidden = !sentence;
    return parts.row;
  }

  /** At least the currency's decimals, and those of a price that has more. */
  priceText(price) {
    const found = typed(price ?? "");
    if (found === null) return price ?? "";
    return plain(units(found), Math.max(this.draft.digits, (trimmed(found).split(".")[1] ?? "").length));
  }

  promise(line) {
    const { say } = this.till;
    if (line.state === "looking") return say("looking");
    if (!line.sku) return say("special_hint");
    const known = this.stock.get(line.sku);
    if (!known) return line.sku;
    const parts = [`${say("here")} ${number(known.here)}`, `${say("elsewhere")} ${number(known.elsewhere)}`];
    if (units(known.expected) > 0n) parts.push(`${say("expected")} ${number(known.expected)}`);
    return parts.join(" · ");
  }

  shortage(line) {
    const known = line.sku && this.stock.get(line.sku);
    const quantity = typed(line.quantity);
    if (!known || quantity === null) return null;
    const missing = units(quantity) - units(known.here);
    return missing > 0n ? this.till.say("short", { count: number(trimmed(plain(missing, 3))) }) : null;
  }

  /** Asks what can be promised of these items, as many at once as the server answers. */
  async askStock(skus) {
    const wanted = [...new Set(skus.filter(Boolean))];
    const { store } = this.draft.till;
    for (let first = 0; first < wanted.length; first += STOCK_AT_ONCE) {
      const query = wanted.slice(first, first + STOCK_AT_ONCE).map((sku) => `sku=${encodeURIComponent(sku)}`).join("&");
      try {
        const found = await ask(`/take-order/stock?store_id=${store}&${query}`);
        for (const [sku, known] of Object.entries(found.stock)) this.stock.set(sku, known);
        this.show();
      } catch { /* The line shows its SKU instead; the order itself decides. */ }
    }
  }

  askAllStock() {
    return this.askStock(this.draft.state.lines.map((line) => line.sku));
  }

  moved({ sku, store_id: store, warehouse_id: warehouse, available, expected }) {
    const known = this.stock.get(sku);
    if (!known) return;
    known.warehouses[warehouse] = { here: store === this.draft.till.store, available, expected };
    const all = Object.values(known.warehouses);
    const sum = (ones, name) => trimmed(plain(ones.reduce((total, one) => total + units(one[name]), 0n), 3));
    known.here = sum(all.filter((one) => one.here), "available");
    known.elsewhere = sum(all.filter((one) => !one.here), "available");
    known.expected = sum(all, "expected");
    this.show();
  }

  /** Brings the line's row into view and marks it for a moment. */
  point(line) {
    const { row } = this.rows.get(line.id);
    row.classList.remove("row-new");
    void row.offsetWidth; // Begins the mark anew when the same line is scanned again.
    row.classList.add("row-new");
    row.scrollIntoView({ block: "nearest" });
  }

  refuse(id, sentence, name = "quantity") {
    this.refused.set(id, sentence);
    this.show();
    const field = this.rows.get(id)?.[name];
    field?.focus();
    field?.select();
  }
}

export function put(input, value) {
  if (document.activeElement !== input && input.value !== value) input.value = value;
}
