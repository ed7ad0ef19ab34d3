// The side of the till: customer, hold, money; and the sentence beside what was refused.
import { ask } from "./ask.js";
import { combo } from "./combo.js";
import { typed } from "./decimal.js";
import { day, number } from "./locale.js";
import { put } from "./till_lines.js";

const $ = (id) => document.getElementById(id);
const PAY = ["later", "cash", "card"];
// Where a refusal of the API belongs: the beginning of its pointer, the sentence, the field.
const PLACES = [
  ["/hold", "hold-says", "hold-days"],
  ["/customer", "customer-says", "customer"],
  ["/prepayment", "prepayment-says", "prepayment"],
];

export class Side {
  constructor(till) {
    this.till = till;
    this.draft = till.draft;
    this.listen();
    this.findCustomers();
  }

  keep(name, value) {
    this.draft.state[name] = value;
    this.draft.save();
    this.clearRefusals();
    this.till.show();
  }

  listen() {
    $("hold-days").addEventListener("input", () => this.keep("holdDays", $("hold-days").value.trim()));
    $("hold-warehouse").addEventListener("change", () => this.keep("warehouse", $("hold-warehouse").value));
    $("channel").addEventListener("change", () => this.keep("channel", $("channel").value));
    $("prepayment").addEventListener("input", () => {
      const text = $("prepayment").value.trim();
      this.keep("prepayment", text === "" ? null : text);
    });
    for (const [group, name] of [["hold-method", "holdMethod"], ["pay", "pay"]]) {
      for (const radio of document.querySelectorAll(`[name=${group}]`)) {
        radio.addEventListener("change", () => this.keep(name, radio.value));
      }
    }
    $("customer").addEventListener("input", () => {
      Object.assign(this.draft.state, { customer: null, customerText: $("customer").value });
      this.draft.save();
      $("customer-says").textContent = "";
    });
  }

  findCustomers() {
    const { say } = this.till;
    combo($("customer"), $("customer-list"), async (text) => {
      const found = await ask(`/take-order/customers?q=${encodeURIComponent(text)}`);
      // Digits alone are a telephone or a card, not a name.
      const only = /^\d+$/.test(text) ? [] : [{ label: text, detail: say("name_only"), value: { name: text } }];
      const cards = found.items.map((one) => ({
        label: one.name, detail: [one.phone, one.card_number].filter(Boolean).join(" · "), value: one,
      }));
      return [...cards, ...only];
    }, (customer) => {
      Object.assign(this.draft.state, {
        customer: customer.id ? customer : null, customerText: customer.id ? "" : customer.name,
      });
      this.draft.save();
      $("customer").value = customer.name;
      this.till.show();
      $("item").focus();
    });
  }

  nextPay() {
    this.keep("pay", PAY[(PAY.indexOf(this.draft.state.pay) + 1) % PAY.length]);
  }

  show() {
    const { state } = this.draft;
    this.showMoney(state);
    this.showCustomer(state);
    put($("hold-days"), state.holdDays);
    const { until } = this.draft;
    $("hold-until").textContent = until ? this.till.say("until", { day: day(until) }) : "";
    for (const radio of document.querySelectorAll("[name=hold-method]")) radio.checked = radio.value === state.holdMethod;
    for (const radio of document.querySelectorAll("[name=pay]")) radio.checked = radio.value === state.pay;
    $("hold-warehouse").value = state.warehouse;
    $("channel").value = state.channel;
  }

  showMoney(state) {
    const any = state.lines.length > 0;
    $("total").textContent = any ? this.till.money(this.draft.total) : "–";
    const percent = typed(this.draft.till.percent || "");
    $("percent").textContent = percent && state.prepayment === null ? `${number(percent)} %` : "";
    put($("prepayment"), state.prepayment ?? (any ? this.draft.proposed ?? "" : ""));
  }

  showCustomer({ customer, customerText }) {
    put($("customer"), customer ? customer.name : customerText);
    if ($("customer-says").classList.contains("bad")) return;
    const card = customer && [customer.phone, customer.card_number, customer.category].filter(Boolean).join(" · ");
    $("customer-says").textContent = card || (customerText ? this.till.say("name_only") : "");
  }

  clearRefusals() {
    for (const id of ["hold-says", "prepayment-says", "order-says", "customer-says"]) {
      if (!$(id).classList.contains("bad")) continue;
      $(id).textContent = "";
      $(id).classList.remove("bad");
    }
  }

  refuse(id, sentence, focus) {
    $(id).textContent = sentence;
    $(id).classList.add("bad");
    if (!focus) return;
    $(focus).focus();
    $(focus).select?.();
  }

  /** Shows the refusal beside its field; false when the pointer is not of this side. */
  place({ pointer, detail }) {
    const found = PLACES.find(([start]) => pointer.startsWith(start));
    if (found) this.refuse(found[1], detail, found[2]);
    return !!found;
  }
}
