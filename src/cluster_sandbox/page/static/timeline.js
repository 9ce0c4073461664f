// @ts-check
// The messages of the open channel. Keeps one element for each message and changes only what a batch names; stays at
// the newest line unless the reader scrolled up; reads older messages when they come near the top.

import { h, icon, morph } from "./dom.js";
import { continues, messageElement, thinking } from "./message.js";
import { byId, KIND } from "./store.js";
import { date, sameDay } from "./time.js";
import { beginning } from "./welcome.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Message} Message */

const NEAR_BOTTOM = 32;
const NEAR_TOP = 600;

export class Timeline {
  /**
   * @param {Store} store
   * @param {import("./net.js").Net} net
   */
  constructor(store, net) {
    this.store = store;
    this.net = net;
    /** @type {Map<string, HTMLElement>} */
    this.elements = new Map();
    this.stuck = true;
    this.reading = false;
    this.list = h("ol", { class: "messages", "aria-label": "Messages" });
    this.pending = h("ol", { class: "messages pending" });
    this.top = h("div", { class: "beginning" });
    this.inner = h("div", { class: "timeline-inner" }, this.top, this.list, this.pending);
    this.scroller = h("div", { class: "scroller", tabindex: "0", role: "log", "aria-label": "Conversation" }, this.inner);
    this.jump = h("button", { class: "jump", type: "button", hidden: true, onclick: () => this.toBottom() }, icon("down"), "Newest messages");
    this.element = h("section", { class: "timeline" }, this.scroller, this.jump);
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const observer = new ResizeObserver(() => this.#keep());
    observer.observe(this.inner);
    observer.observe(this.scroller);
    store.on("open", () => this.open());
    store.on("messages", (/** @type {any} */ detail) => this.take(detail));
    store.on("people", () => this.refresh());
    store.on("places", () => this.refresh());
    store.on("interactions", () => this.#interactions());
  }

  /** Show the channel that is open now. */
  open() {
    const { store } = this;
    this.elements.clear();
    this.list.replaceChildren();
    this.stuck = true;
    if (!store.open) return;
    const room = store.room(store.open);
    if (room.loaded) this.#fill();
    else this.#read();
    this.#interactions();
    this.toBottom();
  }

  /** Read the open channel's newest messages, or those before the oldest known. @param {string} [before] */
  async #read(before) {
    const channel = this.store.open;
    if (!channel || this.store.place?.type === KIND.FORUM) return this.#beginning();
    if (this.reading && before) return;
    this.reading = true;
    try {
      this.store.takeHistory(channel, await this.net.messages(channel, before));
    } catch (error) {
      this.store.emit("trouble", String(/** @type {Error} */ (error).message));
    } finally {
      this.reading = false;
    }
  }

  #fill() {
    const fresh = this.store.listed(this.store.open ?? "");
    this.take({ changed: fresh, gone: [] });
  }

  /** Take what changed. @param {{changed: Message[], gone: {channel_id: string, id: string}[], history?: string}} detail */
  take({ changed, gone, history }) {
    const channel = this.store.open;
    const here = changed.filter((one) => one.channel_id === channel && !this.store.dismissed.has(one.id));
    const below = this.scroller.scrollHeight - this.scroller.scrollTop;
    const newest = [...this.elements.keys()].at(-1);
    for (const { channel_id, id } of gone) if (channel_id === channel) this.#remove(id);
    for (const message of here.sort((a, b) => byId(a.id, b.id))) this.#put(message);
    if (here.length || gone.length || history === channel) {
      this.#dress();
      this.#beginning();
    }
    if (history === channel && newest && !this.stuck) this.scroller.scrollTop = this.scroller.scrollHeight - below;
    const added = here.some((one) => !newest || byId(one.id, newest) > 0);
    if (added && !this.stuck && !history) this.jump.hidden = false;
    this.#keep();
  }

  /** @param {Message} message */
  #put(message) {
    const fresh = messageElement(message, this.store);
    const known = this.elements.get(message.id);
    if (known) {
      for (const name of ["joined", "new-day"]) if (known.classList.contains(name)) fresh.classList.add(name);
      if (known.dataset.day) fresh.dataset.day = known.dataset.day;
      const now = /** @type {HTMLElement} */ (morph(known, fresh));
      this.elements.set(message.id, now);
      return;
    }
    const later = this.#firstAfter(message.id);
    this.list.insertBefore(fresh, later);
    if (!later) this.elements.set(message.id, fresh);
    else this.elements = new Map([...this.elements, [message.id, fresh]].sort(([a], [b]) => byId(/** @type {string} */ (a), /** @type {string} */ (b))));
  }

  /** The element before which a new message goes; nearly always the end. @param {string} id */
  #firstAfter(id) {
    let later = null;
    for (let element = this.list.lastElementChild; element; element = element.previousElementSibling) {
      if (byId(element.dataset.id, id) < 0) break;
      later = element;
    }
    return later;
  }

  /** @param {string} id */
  #remove(id) {
    this.elements.get(id)?.remove();
    this.elements.delete(id);
  }

  /** Put names only where the speaker changes, and a date where the day does. */
  #dress() {
    const room = this.store.room(this.store.open ?? "");
    /** @type {Message|undefined} */
    let before;
    for (const [id, element] of this.elements) {
      const message = room.messages.get(id);
      if (!message) continue;
      const newDay = !before ? !sameDay(message.time, Date.now() / 1000) : !sameDay(before.time, message.time);
      element.classList.toggle("joined", !newDay && continues(before, message));
      element.classList.toggle("new-day", newDay);
      if (newDay) element.dataset.day = date(message.time);
      before = message;
    }
  }

  /** Names and threads may have changed in what is shown. */
  refresh() {
    const room = this.store.room(this.store.open ?? "");
    for (const id of this.elements.keys()) {
      const message = room.messages.get(id);
      if (message && (message.thread_id || message.type === 18 || this.#names(message))) this.#put(message);
    }
    this.#beginning();
  }

  /** @param {Message} message */
  #names(message) {
    return /<[@#]/.test(message.content) || /<[@#]/.test(message.quoted?.content ?? "");
  }

  #beginning() {
    const { store } = this;
    const room = store.room(store.open ?? "");
    const complete = store.place?.type === KIND.FORUM || (room.loaded && !room.more);
    const fresh = h("div", { class: "beginning" });
    if (complete) fresh.append(...beginning(store));
    this.top = morph(this.top, fresh);
  }

  /** Commands that wait for their answer, or never got one; and buttons that do. */
  #interactions() {
    const { store } = this;
    const mine = [...store.interactions.values()].filter((one) => one.kind === "command" && one.channel_id === store.open);
    const shown = mine.filter((one) => one.state === "waiting" || (one.state === "failed" && !this.#answered(one)));
    const fresh = h("ol", { class: "messages pending" }, shown.map((one) => this.#pendingElement(one)));
    this.pending = morph(this.pending, fresh);
    const room = store.room(store.open ?? "");
    for (const [id] of store.presses) {
      const message = room.messages.get(id);
      if (message && this.elements.has(id)) this.#put(message);
    }
    this.#keep();
  }

  /** Whether a failed command has a message that says so itself. @param {import("./store.js").Interaction} one */
  #answered(one) {
    const messages = [...this.store.room(one.channel_id).messages.values()];
    return messages.some((message) => message.failed && message.command?.name === one.command && message.time >= one.time);
  }

  /** @param {import("./store.js").Interaction} one */
  #pendingElement(one) {
    const bot = this.store.people.get(this.store.hello?.bot_id);
    const dismiss = h("button", { class: "plain-link", type: "button", "data-dismiss": one.id }, "Dismiss");
    const inner = one.failed
      ? h("p", { class: "failure" }, icon("warn"), one.failed, " · ", dismiss)
      : thinking(`Sending /${one.command} to ${bot?.name ?? "the application"}…`);
    return h("li", { class: "message note", "data-key": one.id, "data-state": one.state }, inner);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.stuck = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    if (this.stuck) this.jump.hidden = true;
    const room = this.store.room(this.store.open ?? "");
    if (scrollTop < NEAR_TOP && room.more && !this.reading) this.#read([...this.elements.keys()][0]);
  }

  #keep() {
    if (this.stuck) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Go to the newest message. */
  toBottom() {
    this.stuck = true;
    this.jump.hidden = true;
    this.#keep();
  }
}
