// @ts-check
// Where one writes: ordinary text, or a command. `/` opens the palette; a chosen command becomes a form in the same place.

import { CommandForm } from "./command_form.js";
import { h, icon } from "./dom.js";
import { Picker } from "./picker.js";
import { KIND } from "./store.js";

const FILE = 11;
const LONGEST = 2000;

export class Composer {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./net.js").Net} net
   * @param {() => void} acted called when something was sent
   */
  constructor(store, net, acted) {
    this.store = store;
    this.net = net;
    this.acted = acted;
    this.picker = new Picker();
    /** @type {CommandForm|null} */
    this.form = null;
    /** @type {File[]} dropped files that wait for their command */
    this.held = [];
    this.text = h("textarea", { rows: 1, role: "combobox", "aria-controls": "picker-list", "aria-expanded": "false", "aria-autocomplete": "list",
      oninput: () => this.#typed(), onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event), onblur: () => this.picker.hide(), onfocus: () => this.#suggest() });
    const slash = h("button", { class: "slash-button", type: "button", "aria-label": "Commands", title: "Commands (/)", onclick: () => this.#slash() }, icon("slash"));
    const send = h("button", { class: "send", type: "button", "aria-label": "Send message", title: "Send (Enter)", onclick: () => this.#say() }, icon("send"));
    this.line = h("div", { class: "text-line" }, slash, this.text, send);
    this.closed = h("p", { class: "closed-line", hidden: true }, icon("lock"), "You do not have permission to send messages here.");
    this.box = h("div", { class: "box" }, this.line, this.closed);
    this.trouble = h("div", { class: "trouble", role: "alert", hidden: true });
    this.element = h("footer", { class: "composer" }, this.trouble, this.picker.element, this.box);
    store.on("open", () => this.#opened());
    store.on("places", () => this.#allow());
    store.on("trouble", (/** @type {string} */ text) => this.#complain(text));
    store.on("commands", () => this.#suggest());
  }

  /** Begin a command by its full name. @param {string} name @param {Record<string, any>} [given] */
  begin(name, given = {}) {
    const command = this.store.commands.find((one) => one.name === name);
    if (!command) return this.#complain(`There is no command /${name} here.`);
    this.#complain("");
    this.picker.hide();
    const around = { store: this.store, net: this.net, picker: this.picker, leave: () => this.#leave(), sent: () => this.#sent() };
    this.form = new CommandForm(command, given, around);
    this.box.replaceChildren(this.form.element);
    this.form.takeFiles(this.held);
    this.held = [];
    this.form.focus();
  }

  /** Put text where the cursor is. @param {string} text */
  insert(text) {
    if (this.form) return;
    this.text.setRangeText(text, this.text.selectionStart, this.text.selectionEnd, "end");
    this.text.focus();
    this.#typed();
  }

  /** Attach dropped files: to the command under way, or to the only one that takes files, or let one be chosen. @param {File[]} files */
  drop(files) {
    if (this.form) return this.form.takeFiles(files);
    if (!this.writable) return;
    const takers = this.store.commands.filter((one) => one.options.some((option) => option.type === FILE));
    if (!takers.length) return this.#complain("No command here takes a file.");
    this.held = files;
    if (takers.length === 1) return this.begin(takers[0].name);
    this.text.value = "/";
    this.text.focus();
    this.#typed();
  }

  focus() {
    if (this.form) this.form.focus();
    else this.text.focus();
  }

  /** Whether one may write in the open place. */
  get writable() {
    return this.store.place?.writable !== false;
  }

  #opened() {
    const place = this.store.place;
    const forum = place?.type === KIND.FORUM;
    const name = place?.parent_id || place?.type === KIND.DIRECT ? place.name : `#${place?.name ?? ""}`;
    this.text.placeholder = forum ? "Write a post: its first line is the title" : `Message ${name}, or / for commands`;
    this.text.setAttribute("aria-label", forum ? `Post in ${name}` : `Message ${name}`);
    this.#complain("");
    this.#allow();
  }

  /** Where one may not write, the line says so in place of letting one try. */
  #allow() {
    const { writable } = this;
    this.box.classList.toggle("closed", !writable);
    this.closed.hidden = writable;
    if (!writable && this.form) this.#leave();
    this.line.hidden = !writable;
  }

  #slash() {
    if (!this.text.value.startsWith("/")) this.text.value = "/";
    this.text.focus();
    this.#typed();
  }

  #typed() {
    this.text.style.setProperty("height", "auto");
    this.text.style.setProperty("height", `${this.text.scrollHeight}px`);
    this.#complain(this.text.value.length > LONGEST ? `A message has at most ${LONGEST} characters; this has ${this.text.value.length}.` : "");
    this.#suggest();
  }

  /** Open or update the palette while what stands there can be a command's name. */
  #suggest() {
    if (this.form || document.activeElement !== this.text) return;
    const typed = /^\/([^\n]*)$/.exec(this.text.value)?.[1];
    if (typed === undefined) return this.picker.hide();
    const found = this.#matching(typed.toLowerCase());
    const exact = found.find((one) => `${one.name} ` === typed.toLowerCase());
    if (exact && found.length === 1) return this.#pick(exact);
    const choices = found.map((one) => ({
      title: `/${one.name}`,
      detail: one.description,
      tail: one.options.map((option) => (option.required ? `${option.name}*` : option.name)).join("  "),
      value: one,
    }));
    const none = this.store.commands.length ? "No command of that name." : "The bot has not registered its commands yet.";
    this.picker.show(this.text, choices.length ? "Commands" : none, choices, (one) => this.#pick(one));
  }

  /** Commands whose name or description has what was typed; names that begin with it first. @param {string} typed */
  #matching(typed) {
    const words = typed.trim();
    const rank = (/** @type {any} */ one) => (one.name.startsWith(words) ? 0 : one.name.includes(words) ? 1 : one.description.toLowerCase().includes(words) ? 2 : 3);
    return this.store.commands.filter((one) => rank(one) < 3).sort((a, b) => rank(a) - rank(b));
  }

  /** @param {import("./store.js").Command} command */
  #pick(command) {
    this.text.value = "";
    this.#typed();
    this.begin(command.name);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || this.picker.key(event)) return;
    if (event.key === "Escape") {
      event.preventDefault();
      if (this.text.value.startsWith("/")) this.text.value = "";
      this.held = [];
      this.#typed();
      this.picker.hide();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#say();
    }
  }

  async #say() {
    const content = this.text.value.trim();
    const place = this.store.place;
    if (!content || !place || content.length > LONGEST) return;
    if (content.startsWith("/")) return this.#complain(`There is no command ${content.split("\n")[0]} here; type / to see which there are.`);
    try {
      if (place.type === KIND.FORUM) await this.#post(place.id, content);
      else await this.net.say(place.id, content);
      this.text.value = "";
      this.#typed();
      this.acted();
    } catch (error) {
      this.#complain(/** @type {Error} */ (error).message);
    }
  }

  /** @param {string} forum @param {string} content */
  #post(forum, content) {
    const [title, ...rest] = content.split("\n");
    return this.net.postTo(forum, title.slice(0, 100), rest.join("\n").trim() || title);
  }

  #leave() {
    this.form = null;
    this.picker.hide();
    this.box.replaceChildren(this.line, this.closed);
    this.text.focus();
  }

  #sent() {
    this.#leave();
    this.acted();
  }

  /** @param {string} text what went wrong; "" takes it away */
  #complain(text) {
    this.trouble.textContent = text;
    this.trouble.hidden = !text;
  }
}
