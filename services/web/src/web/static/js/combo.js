// A field that finds things while one types: arrows choose, Enter takes, Esc closes.

/**
 * @param field the input; @param list its listbox
 * @param find async (text) => options, each {label, detail, value}
 * @param take (value, text) => void
 */
export function combo(field, list, find, take) {
  let options = [];
  let chosen = -1;
  let asked = 0;
  let pending = null;

  const close = () => {
    options = [];
    chosen = -1;
    list.hidden = true;
    list.replaceChildren();
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };

  const choose = (at) => {
    chosen = at;
    [...list.children].forEach((one, index) => one.setAttribute("aria-selected", String(index === at)));
    if (at >= 0) {
      field.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    }
  };

  const show = (found) => {
    options = found;
    list.replaceChildren(...found.map((option, at) => {
      const row = document.createElement("li");
      row.id = `${list.id}-${at}`;
      row.role = "option";
      const label = document.createElement("span");
      label.textContent = option.label;
      const detail = document.createElement("span");
      detail.className = "option-detail";
      detail.textContent = option.detail ?? "";
      row.append(label, detail);
      row.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        pick(at);
      });
      return row;
    }));
    list.hidden = !found.length;
    field.setAttribute("aria-expanded", String(!!found.length));
    choose(found.length ? 0 : -1);
  };

  const pick = (at) => {
    const option = options[at];
    const text = field.value;
    close();
    if (option) take(option.value, text);
  };

  const search = () => {
    const text = field.value.trim();
    const number = ++asked;
    if (!text) {
      close();
      pending = null;
      return;
    }
    pending = new Promise((resolve) => setTimeout(resolve, 90))
      .then(() => (number === asked ? find(text) : null))
      .then((found) => {
        if (found && number === asked && document.activeElement === field) show(found);
      })
      .catch(() => {});
  };

  field.addEventListener("input", search);
  field.addEventListener("blur", () => setTimeout(close, 120));
  field.addEventListener("keydown", async (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!options.length) return;
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      choose((chosen + step + options.length) % options.length);
    } else if (event.key === "Enter" && field.value.trim()) {
      // The answer may still be on its way: Enter then waits for it and is not lost.
      event.preventDefault();
      event.stopPropagation();
      if (list.hidden) search();
      await pending;
      if (options.length) pick(Math.max(chosen, 0));
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
  return { close };
}
