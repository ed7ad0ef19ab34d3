// The order being typed. It lives in localStorage from the first key, so that neither a reload
// nor a lost line loses anything; its keys are minted with it, so that it is taken once.
import { amountOf, plain, typed, units } from "./decimal.js";
import { uuid7 } from "./ids.js";

const PLACE = "holdfast.draft";
const PARKED = "holdfast.parked";
const KEPT = "holdfast.kept";
const MINOR = { JPY: 0, KRW: 0, ISK: 0, KWD: 3, BHD: 3, TND: 3 };
const PARKED_MAX = 20;

// Under these the order and its deposit are taken once.
const minted = () => ({ id: uuid7(), key: uuid7(), payKey: uuid7(), sent: null });

const read = (place, otherwise) => {
  try {
    return JSON.parse(localStorage.getItem(place)) ?? otherwise;
  } catch {
    return otherwise;
  }
};

export class Draft {
  constructor(till) {
    this.till = till; // {store, holdMethod, holdDays, percent, warehouses}
    this.state = read(PLACE, null);
    if (!this.state || this.state.store !== till.store) this.state = this.fresh();
  }

  fresh() {
    return {
      ...minted(), store: this.till.store, channel: "counter",
      lines: [], customer: null, customerText: "", holdMethod: this.till.holdMethod,
      holdDays: String(this.till.holdDays), warehouse: this.till.warehouses[0]?.id ?? "",
      prepayment: null, pay: "later",
    };
  }

  get empty() {
    return this.state.lines.length === 0 && !this.state.customer && !this.state.customerText;
  }

  get currency() {
    return this.state.lines.find((line) => line.currency)?.currency ?? "EUR";
  }

  get digits() {
    return MINOR[this.currency] ?? 2;
  }

  save() {
    localStorage.setItem(PLACE, JSON.stringify(this.state));
  }

  renew() {
    this.state = this.fresh();
    this.save();
  }

  /** Keeps what was scanned or chosen while the order is on its way. */
  keep(one) {
    localStorage.setItem(KEPT, JSON.stringify([...read(KEPT, []), one]));
  }

  takeKept() {
    const kept = read(KEPT, []);
    localStorage.removeItem(KEPT);
    return kept;
  }

  /** Adds one of the item; a second scan of the same item makes it two. */
  add(item) {
    const known = this.state.lines.find((line) => line.sku && line.sku === item.sku);
    if (known) {
      known.quantity = plain(units(typed(known.quantity) ?? "0") + units("1"), 3).replace(/\.?0+$/, "");
      this.save();
      return known;
    }
    const line = {
      id: uuid7(), sku: item.sku ?? null, name: item.name, unit: item.unit ?? "piece",
      quantity: "1", price: item.price ?? "", listPrice: item.price ?? null,
      currency: item.currency ?? this.currency, code: item.code ?? null, state: item.state ?? "known",
    };
    this.state.lines.push(line);
    this.save();
    return line;
  }

  remove(id) {
    this.state.lines = this.state.lines.filter((line) => line.id !== id);
    this.save();
  }

  amount(line) {
    const quantity = typed(line.quantity);
    const price = typed(line.price || "0");
    return quantity === null || price === null ? null : amountOf(quantity, price, this.digits);
  }

  get total() {
    return this.state.lines.reduce((sum, line) => sum + (this.amount(line) ?? 0n), 0n);
  }

  /** The proposal by the chain's setting, unless something was typed. */
  get proposed() {
    const percent = typed(this.till.percent || "");
    if (percent === null) return null;
    return plain((this.total * units(percent)) / units("100"), this.digits);
  }

  get deposit() {
    return this.state.prepayment ?? this.proposed;
  }

  /** When the hold ends: as it was sent, so that the same order sent again is the same request. */
  get until() {
    const { sent, holdDays } = this.state;
    if (sent?.holdDays === holdDays) return new Date(sent.until);
    const days = Number(holdDays);
    if (!Number.isInteger(days) || days < 1) return null;
    const end = new Date();
    end.setDate(end.getDate() + days);
    return end;
  }

  /** What is wrong before asking: field name and which sentence, or null. */
  problem() {
    if (!this.state.lines.length) return { field: "order", word: "empty_order" };
    for (const line of this.state.lines) {
      const quantity = typed(line.quantity);
      if (quantity === null || units(quantity) <= 0n) return { line: line.id, word: "bad_quantity" };
      if (typed(line.price) === null) return { line: line.id, word: "bad_price" };
    }
    if (this.state.prepayment !== null && typed(this.state.prepayment) === null) {
      return { field: "prepayment", word: "bad_amount" };
    }
    return null;
  }

  /** The order was refused: the hold's days are counted from the next try. */
  countAnew() {
    this.state.sent = null;
    this.save();
  }

  /** The draft as the API takes it; from now on the end of its hold stands. */
  body() {
    const { state } = this;
    const body = {
      id: state.id, store_id: state.store, channel: state.channel, currency: this.currency,
      lines: state.lines.map((line) => {
        const sent = { quantity: typed(line.quantity) };
        if (line.sku) sent.sku = line.sku;
        else sent.special = { description: line.name };
        if (!line.sku || typed(line.price) !== typed(line.listPrice ?? "")) sent.unit_price = typed(line.price);
        return sent;
      }),
      hold: { method: state.holdMethod, warehouse_id: state.warehouse },
    };
    const { until } = this;
    if (until) {
      body.hold.until = until.toISOString();
      state.sent = { holdDays: state.holdDays, until: body.hold.until };
      this.save();
    }
    if (state.customer?.id) body.customer_id = state.customer.id;
    else if (state.customerText.trim()) body.customer_name = state.customerText.trim();
    if (state.prepayment !== null) body.prepayment = typed(state.prepayment);
    const sent = { key: state.key, order: body };
    const deposit = this.deposit && typed(this.deposit);
    if (state.pay !== "later" && deposit && units(deposit) > 0n) {
      sent.pay = { key: state.payKey, amount: plain(units(deposit), this.digits), method: state.pay };
    }
    return sent;
  }

  get parked() {
    return read(PARKED, []).filter((one) => one.store === this.till.store);
  }

  park() {
    localStorage.setItem(PARKED, JSON.stringify([...read(PARKED, []), this.state].slice(-PARKED_MAX)));
    this.renew();
  }

  /** Puts the draft aside as an order of its own: under its id another one was taken. */
  parkAnew() {
    Object.assign(this.state, minted());
    this.park();
  }

  /** Brings a parked order back, and parks what is being typed. */
  unpark(id) {
    const all = read(PARKED, []);
    const found = all.find((one) => one.id === id);
    if (!found) return;
    const rest = all.filter((one) => one.id !== id);
    if (!this.empty) rest.push(this.state);
    localStorage.setItem(PARKED, JSON.stringify(rest));
    this.state = found;
    this.save();
  }
}
