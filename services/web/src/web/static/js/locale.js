// Numbers and days as the visitor's language writes them. Browsers without Kazakh write numbers
// as in Russian, which has the same separators, and days as plain digits.
const wanted = document.documentElement.lang;
export const known = Intl.NumberFormat.supportedLocalesOf(wanted).length > 0;
const locale = known ? wanted : "ru";

export const number = (text) => new Intl.NumberFormat(locale, { maximumFractionDigits: 3 }).format(text);

export const money = (text, currency, digits) =>
  new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: digits }).format(text);

export const day = (date) =>
  new Intl.DateTimeFormat(locale, known
    ? { weekday: "short", day: "numeric", month: "short" }
    : { day: "2-digit", month: "2-digit", year: "numeric" }).format(date);
