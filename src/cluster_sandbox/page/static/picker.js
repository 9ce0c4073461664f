// @ts-check
// The list over the composer: commands while one types `/`, choices while one fills an option. The focus stays in the
// field that is typed in; this is told the keys.

import { h, morph } from "./dom.js";

/** @typedef {{title: string, detail?: string, tail?: string, value: any, icon?: any}} Choice */

export class Picker {
  constructor() {
    /** @type {Choice[]} */
    this.choices = [];
    this.active = 0;
    this.onpick = (/** @type {any} */ _value) => {};
    /** @type {HTMLElement|null} the field that drives the list */
    this.field = null;
    this.list = h("ul", { role: "listbox", id: "picker-list", "aria-label": "Suggestions" });
    this.title = h("div", { class: "picker-title" });
    this.element = h("div", { class: "picker", hidden: true }, this.title, this.list);
    // Before the field loses its focus.
    this.element.addEventListener("mousedown", (/** @type {Event} */ event) => event.preventDefault());
    this.element.addEventListener("click", (/** @type {Event} */ event) => {
      const entry = /** @type {Element} */ (event.target).closest("[data-index]");
      if (entry) this.pick(Number(entry.getAttribute("data-index")));
    });
  }

  get shown() {
    return !this.element.hidden;
  }

  /** @param {HTMLElement} field @param {string} title @param {Choice[]} choices @param {(value: any) => void} onpick */
  show(field, title, choices, onpick) {
    const same = this.shown && this.choices.length === choices.length;
    this.field = field;
    this.choices = choices;
    this.onpick = onpick;
    this.active = same ? Math.min(this.active, choices.length - 1) : 0;
    this.title.textContent = title;
    this.element.hidden = !choices.length && !title;
    this.#draw();
  }

  hide() {
    this.element.hidden = true;
    this.choices = [];
    this.active = 0;
    this.field?.removeAttribute("aria-activedescendant");
    this.field?.setAttribute("aria-expanded", "false");
    this.field = null;
  }

  /** Take a key; whether it was one for the list. @param {KeyboardEvent} event */
  key(event) {
    if (!this.shown || !this.choices.length) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.active = (this.active + step + this.choices.length) % this.choices.length;
      this.#draw();
    } else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) this.pick(this.active);
    else return false;
    event.preventDefault();
    return true;
  }

  /** @param {number} index */
  pick(index) {
    const choice = this.choices[index];
    const onpick = this.onpick;
    this.hide();
    if (choice) onpick(choice.value);
  }

  #draw() {
    const entries = this.choices.map((one, index) =>
      h("li", { role: "option", id: `picker-${index}`, "data-index": index, class: index === this.active ? "active" : "", "aria-selected": index === this.active ? "true" : "false" },
        one.icon ?? null, h("span", { class: "picker-name" }, one.title), h("span", { class: "picker-detail clip" }, one.detail ?? ""), one.tail ? h("span", { class: "picker-tail" }, one.tail) : null));
    const fresh = h("ul", { role: "listbox", id: "picker-list", "aria-label": "Suggestions" }, entries);
    this.list = morph(this.list, fresh);
    this.field?.setAttribute("aria-expanded", "true");
    if (this.choices.length) this.field?.setAttribute("aria-activedescendant", `picker-${this.active}`);
    this.list.children[this.active]?.scrollIntoView({ block: "nearest" });
  }
}
