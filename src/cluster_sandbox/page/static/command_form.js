// @ts-check
// A chosen command being filled in: its options as fields, what is wrong with them, sending it.

import { h, icon } from "./dom.js";
import { field } from "./fields.js";

const FILE = 11;

export class CommandForm {
  /**
   * @param {import("./store.js").Command} command
   * @param {Record<string, any>} given values to start with, by option
   * @param {{store: import("./store.js").Store, net: import("./net.js").Net, picker: import("./picker.js").Picker,
   *   leave: () => void, sent: () => void}} around
   */
  constructor(command, given, around) {
    this.command = command;
    this.around = around;
    this.sending = false;
    this.tried = false;
    /** what is said of files that found no place, until something else is changed */
    this.surplus = "";
    const tools = { store: around.store, picker: around.picker, complete: this.#complete.bind(this), changed: () => ((this.surplus = ""), this.#changed()),
      files: (/** @type {File[]} */ given, /** @type {string} */ first) => this.takeFiles(given, first) };
    /** @type {Map<string, import("./fields.js").Field & {option: any}>} */
    this.fields = new Map(command.options.map((option) => [option.name, { ...field(option, tools), option }]));
    this.problem = h("p", { class: "problem", role: "alert" });
    this.submit = h("button", { class: "send", type: "submit", "aria-label": "Send command", title: "Send (Enter)" }, icon("send"));
    const leave = h("button", { class: "leave", type: "button", "aria-label": "Leave the command", title: "Leave (Esc)", onclick: () => around.leave() }, icon("close"));
    this.element = h("form", { class: "command-form", "aria-label": `Command ${command.name}`, novalidate: true },
      h("div", { class: "command-line" }, h("span", { class: "command-name", title: command.description }, `/${command.name}`),
        h("div", { class: "fields" }, [...this.fields.values()].map((one) => one.element)), h("span", { class: "command-ends" }, leave, this.submit)),
      this.problem);
    this.element.addEventListener("submit", (/** @type {Event} */ event) => (event.preventDefault(), this.send()));
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    for (const [name, value] of Object.entries(given)) this.fields.get(name)?.set(value);
    this.#changed();
  }

  /** Put the cursor where something is to be filled in, or on the button when nothing is. */
  focus() {
    const all = [...this.fields.values()];
    const missing = all.find((one) => one.option.required && one.read().problem);
    (missing?.input ?? this.submit).focus();
  }

  /**
   * Take dropped or chosen files, each into an empty place; a single one may take the place of another.
   * @param {File[]} files @param {string} [first] the option that is filled first, whatever it holds
   */
  takeFiles(files, first) {
    if (!files.length) return;
    const places = [...this.fields.values()].filter((one) => one.option.type === FILE);
    const chosen = places.filter((one) => one.option.name === first);
    const empty = places.filter((one) => !one.held?.() && !chosen.includes(one));
    const order = [...chosen, ...empty];
    if (!order.length && files.length === 1) order.push(...places.slice(0, 1));
    files.slice(0, order.length).forEach((file, index) => order[index].set(file));
    const count = places.length === 1 ? "1 file" : `${places.length} files`;
    this.surplus = files.length > order.length ? (places.length ? `/${this.command.name} takes at most ${count}.` : `/${this.command.name} takes no file.`) : "";
    this.#changed();
    this.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.around.picker.key(event)) return;
    if (event.key === "Escape") {
      event.preventDefault();
      if (this.around.picker.shown) this.around.picker.hide();
      else this.around.leave();
    }
    // A button's own Enter opens its file chooser; with the file there, Enter sends as it does everywhere else.
    const filled = /** @type {Element} */ (event.target).classList.contains("filled");
    if (event.key === "Enter" && filled) {
      event.preventDefault();
      this.send();
    }
  }

  /** The values so far; those that are wrong are left out. */
  #values() {
    const read = [...this.fields].map(([name, one]) => [name, one.read().value]);
    return Object.fromEntries(read.filter(([, value]) => value !== undefined));
  }

  /** @param {any} option @param {string} typed */
  #complete(option, typed) {
    const others = Object.entries(this.#values()).filter(([name, value]) => name !== option.name && !(value instanceof File));
    return this.around.net.autocomplete(this.around.store.open ?? "", this.command.name, option.name, typed, Object.fromEntries(others));
  }

  #changed() {
    const wrong = this.#mark();
    if (this.surplus) this.problem.textContent = this.surplus;
    else if (!wrong.length) this.problem.textContent = "";
    else if (this.tried || wrong.some((one) => one.typed)) this.problem.textContent = wrong.map((one) => `${one.name} ${one.problem}`).join(" · ");
    else this.problem.textContent = "";
    this.submit.classList.toggle("ready", !wrong.length);
  }

  /** What is wrong, also shown at the fields: what was typed at once, what is missing only after sending was tried. */
  #mark() {
    const wrong = [];
    for (const [name, one] of this.fields) {
      const { problem } = one.read();
      const typed = Boolean(/** @type {any} */ (one.input).value) || problem?.startsWith("takes");
      if (problem) wrong.push({ name, problem, typed, input: one.input });
      const shown = Boolean(problem) && (this.tried || Boolean(typed));
      one.element.classList.toggle("wrong", shown);
      one.input.setAttribute("aria-invalid", String(shown));
    }
    return wrong;
  }

  async send() {
    if (this.sending) return;
    this.tried = true;
    const [wrong] = this.#mark();
    this.#changed();
    if (wrong) return wrong.input.focus();
    this.sending = true;
    this.element.classList.add("sending");
    try {
      const { store, net } = this.around;
      const opened = await net.command(store.open ?? "", this.command.name, this.#values());
      this.around.sent();
      store.begun(opened, "command");
    } catch (error) {
      this.problem.textContent = /** @type {Error} */ (error).message;
    } finally {
      this.sending = false;
      this.element.classList.remove("sending");
    }
  }
}
