// @ts-check
// The menu of a message, with the bot's commands for it: a right click, a long press, or the button at its corner.

import { avatar, h, icon } from "./dom.js";

const LONG_PRESS_MS = 500;
const STILL_PX = 10;

export class Menu {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./net.js").Net} net
   */
  constructor(store, net) {
    this.store = store;
    this.net = net;
    /** @type {AbortController|null} the menu that is being made */
    this.making = null;
    /** @type {HTMLElement|null} */
    this.element = null;
    /** @type {HTMLElement|null} what had the focus before */
    this.before = null;
    document.addEventListener("contextmenu", (event) => this.#asked(event));
    document.addEventListener("pointerdown", (event) => this.#held(event));
    window.addEventListener("resize", () => this.close());
  }

  /** @param {MouseEvent} event */
  #asked(event) {
    const target = /** @type {Element} */ (event.target);
    if (this.element?.contains(target)) return event.preventDefault();
    const more = this.#of(target);
    // What the browser itself has for links, pictures and a selected text is more use there.
    if (!more || target.closest("a, img") || !getSelection()?.isCollapsed) return this.close();
    event.preventDefault();
    this.open(more, { x: event.clientX, y: event.clientY });
  }

  /** A press anywhere else closes; a long one on a message opens, where the browser makes no event of it. @param {PointerEvent} event */
  #held(event) {
    const target = /** @type {Element} */ (event.target);
    if (!this.element?.contains(target)) this.close();
    const more = event.pointerType === "touch" && !target.closest("button, a, select, input, summary") ? this.#of(target) : null;
    if (!more) return;
    const [x, y] = [event.clientX, event.clientY];
    const done = new AbortController();
    const timer = setTimeout(() => (done.abort(), this.element || this.open(more, { x, y })), LONG_PRESS_MS);
    const stop = () => (clearTimeout(timer), done.abort());
    const moved = (/** @type {PointerEvent} */ now) => Math.hypot(now.clientX - x, now.clientY - y) > STILL_PX && stop();
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, stop, { signal: done.signal });
    document.addEventListener("pointermove", moved, { signal: done.signal });
  }

  /** The corner button of the message something is in. @param {Element} target */
  #of(target) {
    return /** @type {HTMLElement|null} */ (target.closest(".message")?.querySelector("[data-menu]") ?? null);
  }

  /** @param {HTMLElement} more the corner button, which names the message @param {{x: number, y: number}} [at] */
  async open(more, at) {
    this.close();
    const { menu: message = "", in: channel = "" } = more.dataset;
    const making = (this.making = new AbortController());
    try {
      const names = await this.net.menu(channel, message);
      if (!making.signal.aborted) this.#show(more, names, { channel, message }, at);
    } catch (error) {
      this.store.emit("trouble", /** @type {Error} */ (error).message);
    }
  }

  /** @param {HTMLElement} more @param {string[]} names @param {{channel: string, message: string}} of @param {{x: number, y: number}} [at] */
  #show(more, names, { channel, message }, at) {
    const text = this.store.room(channel).messages.get(message)?.content ?? "";
    const bot = this.store.people.get(this.store.hello?.bot_id);
    const item = (/** @type {any} */ shape, /** @type {string} */ label, /** @type {() => void} */ act) =>
      h("button", { class: "menu-item", role: "menuitem", type: "button", tabindex: "-1", onclick: () => (this.close(), act()) }, shape, h("span", { class: "clip" }, label));
    const commands = names.map((name) => item(bot && avatar(bot), name, () => this.#use(name, channel, message)));
    const apps = commands.length ? commands : [h("p", { class: "menu-none" }, "No app has a command for messages here.")];
    const copy = text && item(icon("copy"), "Copy text", () => navigator.clipboard.writeText(text));
    this.before = /** @type {HTMLElement|null} */ (document.activeElement);
    this.element = h("div", { class: "menu-pop", role: "menu", "aria-label": "Message", onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) },
      h("div", { role: "group", "aria-label": "Apps" }, h("div", { class: "menu-title", "aria-hidden": "true" }, "Apps"), apps), copy && h("div", { class: "menu-rest" }, copy));
    document.body.append(this.element);
    this.#stand(at ?? more.getBoundingClientRect());
    this.#items()[0]?.focus();
  }

  /** Near the pointer and inside the window; narrow screens have it at their bottom. @param {{x: number, y: number}} at */
  #stand({ x, y }) {
    const element = /** @type {HTMLElement} */ (this.element);
    const { width, height } = element.getBoundingClientRect();
    element.style.setProperty("left", `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`);
    element.style.setProperty("top", `${Math.max(8, Math.min(y, innerHeight - height - 8))}px`);
  }

  /** @param {string} command @param {string} channel @param {string} message */
  async #use(command, channel, message) {
    try {
      this.store.begun(await this.net.context(channel, message, command), "command");
    } catch (error) {
      this.store.emit("trouble", /** @type {Error} */ (error).message);
    }
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...(this.element?.querySelectorAll("[role=menuitem]") ?? [])]);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const items = this.#items();
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) items[(at + step + items.length) % items.length]?.focus();
    else if (event.key === "Home") items[0]?.focus();
    else if (event.key === "End") items.at(-1)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  close() {
    this.making?.abort();
    if (!this.element) return;
    const inside = this.element.contains(document.activeElement);
    this.element.remove();
    this.element = null;
    if (inside) this.before?.focus();
  }
}
