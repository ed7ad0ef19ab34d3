// A scanner is a keyboard that types without pause and ends with Enter. It is read by event.code,
// the place of the key, because a Kazakh or French layout turns the same key into a letter.
const GAP_MS = 45;
const LENGTH_MIN = 4;
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

/**
 * Reads scans wherever the focus is and hands each to `take(code)`; what a fast hand typed is given
 * back to its field. Keys typed while no field has the focus go to the field that `home` gives.
 */
export function readScanner(take, home) {
  let burst = null; // {text, keys, last, field, before, held, timer}

  const putBack = () => {
    if (!burst) return;
    const { field, keys, held, timer } = burst;
    clearTimeout(timer);
    burst = null;
    const text = keys.slice(1).map((key) => key.key).filter((key) => key.length === 1).join("");
    if (!held || !field.isConnected) return;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const begin = (event, character) => {
    let field = event.target;
    if (!editable(field)) {
      if (character === " ") return; // A space presses the button that has the focus.
      field = home();
      if (!field) return;
      field.focus();
    }
    burst = {
      text: character, keys: [event], last: event.timeStamp, held: false, field,
      before: [field.value, field.selectionStart, field.selectionEnd], timer: 0,
    };
  };

  const restore = ({ field, before: [value, start, end] }) => {
    field.value = value;
    field.setSelectionRange(start, end);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Shift" || event.key === "CapsLock") return;
    const quick = burst !== null && event.timeStamp - burst.last <= GAP_MS;
    if (["Enter", "NumpadEnter", "Tab"].includes(event.code)) {
      const scanned = quick && burst.held && burst.text.length >= LENGTH_MIN ? burst : null;
      if (!scanned) return putBack();
      event.preventDefault();
      event.stopImmediatePropagation();
      clearTimeout(scanned.timer);
      burst = null;
      restore(scanned);
      return take(scanned.text);
    }
    const character = characterOf(event);
    if (character === null) return putBack();
    if (!quick) {
      putBack();
      return begin(event, character);
    }
    // The second key without a pause: from here on it may be a scanner, so fields wait.
    event.preventDefault();
    event.stopImmediatePropagation();
    burst.held = true;
    burst.text += character;
    burst.keys.push(event);
    burst.last = event.timeStamp;
    clearTimeout(burst.timer);
    burst.timer = setTimeout(putBack, GAP_MS + 40);
  }, true);
}
