// Money and quantities as exact integers: floats would show a cent too much some day.
const DIGITS = 7n;
const ONE = 10n ** DIGITS;

const COMMA_THOUSANDS = /^-?[1-9]\d{0,2}(,\d{3})+$/;

/**
 * What a person typed as a plain decimal ("1 250,50" is "1250.50"), or null when it is no number.
 * In English a lone comma before three digits parts thousands, as pages write them.
 */
export function typed(text) {
  let plain = String(text).replace(/[\s\u00a0\u202f']/g, "").replace("−", "-");
  if (plain.includes(",") && plain.includes(".")) {
    plain = plain.replaceAll(plain.lastIndexOf(".") > plain.lastIndexOf(",") ? "," : ".", "");
  } else if (document.documentElement.lang === "en" && COMMA_THOUSANDS.test(plain)) {
    plain = plain.replaceAll(",", "");
  }
  plain = plain.replace(",", ".");
  return /^-?\d+(\.\d+)?$/.test(plain) ? plain : null;
}

/** A plain decimal as an integer of ten-millionths. */
export function units(plain) {
  const negative = plain.startsWith("-");
  const [whole, part = ""] = plain.replace("-", "").split(".");
  const value = BigInt(whole) * ONE + BigInt((part + "0".repeat(Number(DIGITS))).slice(0, Number(DIGITS)));
  return negative ? -value : value;
}

/** The integer as a plain decimal with this many digits, rounded half up. */
export function plain(value, digits) {
  const step = 10n ** (DIGITS - BigInt(digits));
  const negative = value < 0n;
  const rounded = ((negative ? -value : value) + step / 2n) / step;
  const text = rounded.toString().padStart(digits + 1, "0");
  const body = digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text;
  return negative && rounded !== 0n ? `-${body}` : body;
}

/** Quantity × price, rounded half up to the currency's minor unit, as units again. */
export function amountOf(quantity, price, digits) {
  const product = (units(quantity) * units(price)) / ONE;
  return units(plain(product, digits));
}

/** The decimal without needless zeros, to show in a field. */
export function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
