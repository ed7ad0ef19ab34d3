// A scanner is a keyboard that types without pause and ends with Enter. It is read by event.code,
// the place of the key, because a Kazakh or French layout turns the same key into a letter.
const GAP_MS = 45; // Keys that follow this closely wait: they may be a scanner's.
const RUN_GAP_MS = 250; // A busy computer stalls even a scanner for a moment.
const LENGTH_MIN = 4;
const MEAN_GAP_MS = 40; // Nobody types four keys and Enter as fast as this,
const LONG_MEAN_GAP_MS = 90; // nor a long number as fast as this.
const LONG_NUMBER = /\d.*\d.*\d.*\d.*\d.*\d/;
const PUNCTUATION = {
  Minus: ["-", "_"], Period: [".", ">"], Slash: ["/", "?"], Equal: ["=", "+"], Space: [" ", " "],
  NumpadSubtract: ["-", "-"], NumpadAdd: ["+", "+"], NumpadDecimal: [".", "."], NumpadDivide: ["/", "/"],
};

/** The character that a scanner means by this key, whatever layout the computer has. */
export function characterOf(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit) return digit[1];
  const letter = /^Key([A-Z])$/.exec(event.code);
  if (letter) return event.shiftKey || event.getModifierState?.("CapsLock") ? letter[1] : letter[1].toLowerCase();
  const sign = PUNCTUATION[event.code];
  return sign ? sign[event.shiftKey ? 1 : 0] : null;
}

const editable = (element) =>
  element && !element.readOnly && !element.disabled &&
  (element.tagName === "TEXTAREA" ||
    (element.tagName === "INPUT" && ["text", "search", "tel", "email", "password", ""].includes(element.type)));

/** The keys that came without a pause, and the field (if any) as it was before the first. */
class Run {
  constructor(event, character, field) {
    this.field = field;
    this.before = field && [field.value, field.selectionStart, field.selectionEnd];
    this.text = character;
    this.first = event.timeStamp;
    this.last = event.timeStamp;
    this.held = "";
    this.timer = 0;
  }

  /** Gives what was held back to the field: a hand typed it. */
  release() {
    clearTimeout(this.timer);
    const { field, held } = this;
    this.held = "";
    if (!held || !field?.isConnected) return;
    field.setRangeText(held, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  add(event, character) {
    const close = event.timeStamp - this.last <= GAP_MS;
    this.text += character;
    this.last = event.timeStamp;
    clearTimeout(this.timer);
    if (!this.field) return undefined; // Nothing is typed anywhere, so nothing waits.
    if (!close) return this.release();
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.key.length === 1) this.held += event.key;
    this.timer = setTimeout(() => this.release(), GAP_MS + 40);
    return undefined;
  }

  endsAsScan(event) {
    const { text } = this;
    if (text.length < LENGTH_MIN || event.timeStamp - this.last > RUN_GAP_MS) return false;
    const mean = (event.timeStamp - this.first) / text.length;
    return mean <= MEAN_GAP_MS || (mean <= LONG_MEAN_GAP_MS && LONG_NUMBER.test(text));
  }

  /** The field as it was: the scanner only happened to type into it. */
  restore() {
    clearTimeout(this.timer);
    this.held = "";
    if (!this.field) return;
    const [value, start, end] = this.before;
    this.field.value = value;
    this.field.setSelectionRange(start, end);
    this.field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

/**
 * Reads scans wherever the focus is and hands each to `take(code)`; what a fast hand typed is given
 * back to its field. Keys typed while no field has the focus go to the field that `home` gives,
 * where it gives one.
 */
export function readScanner(take, home) {
  let run = null;

  const end = () => {
    run?.release();
    run = null;
  };

  const begin = (event, character) => {
    let field = event.target;
    if (!editable(field)) {
      if (character === " ") return; // A space presses the button that has the focus.
      field = home();
      field?.focus();
    }
    run = new Run(event, character, field);
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Shift" || event.key === "CapsLock") return;
    if (["Enter", "NumpadEnter", "Tab"].includes(event.code)) {
      if (!run?.endsAsScan(event)) return end();
      event.preventDefault();
      event.stopImmediatePropagation();
      const { text } = run;
      run.restore();
      run = null;
      return take(text);
    }
    const character = characterOf(event);
    if (character === null) return end();
    if (run && event.timeStamp - run.last <= RUN_GAP_MS) return run.add(event, character);
    end();
    return begin(event, character);
  }, true);
}
