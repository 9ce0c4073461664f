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
    /** @type {string[]} the ids of what is shown, oldest first */
    this.order = [];
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
    store.on("places", (/** @type {any[]} */ changed) => this.refresh(changed.map((one) => one.id)));
    store.on("interactions", () => this.#interactions());
    // What could not be read while the connection was lost is read when it is back.
    store.on("connection", () => store.connected && store.open && !store.room(store.open).loaded && this.#read());
  }

  /** Show the channel that is open now. */
  open() {
    const { store } = this;
    this.elements.clear();
    this.order = [];
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
    this.store.room(channel).asked = true;
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
    const newest = this.order.at(-1);
    for (const { channel_id, id } of gone) if (channel_id === channel) this.#remove(id);
    for (const message of here) this.#put(message);
    for (const { id } of here) this.#dress(this.#place(id));
    if (history === channel) this.#beginning();
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
    const index = this.#place(message.id);
    this.list.insertBefore(fresh, this.elements.get(this.order[index]) ?? null);
    this.order.splice(index, 0, message.id);
    this.elements.set(message.id, fresh);
  }

  /** Where a message stands, or would stand: the number of older ones. @param {string} id */
  #place(id) {
    let [low, high] = [0, this.order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (byId(this.order[middle], id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {string} id */
  #remove(id) {
    if (!this.elements.has(id)) return;
    this.elements.get(id)?.remove();
    this.elements.delete(id);
    const index = this.#place(id);
    this.order.splice(index, 1);
    this.#dress(index);
  }

  /** Names only where the speaker changes, dates only where the day does: for a message and the one after it. @param {number} index */
  #dress(index) {
    const { messages } = this.store.room(this.store.open ?? "");
    for (const at of [index, index + 1]) {
      const [message, before] = [messages.get(this.order[at]), messages.get(this.order[at - 1])];
      const element = this.elements.get(this.order[at]);
      if (!message || !element) continue;
      const newDay = !sameDay(before?.time ?? Date.now() / 1000, message.time);
      element.classList.toggle("joined", !newDay && continues(before, message));
      element.classList.toggle("new-day", newDay);
      if (newDay) element.dataset.day = date(message.time);
    }
  }

  /** Names may have changed in what is shown; `places`: only those of these channels. @param {string[]} [places] */
  refresh(places) {
    const { messages } = this.store.room(this.store.open ?? "");
    const named = places && new Set(places);
    for (const id of this.order) {
      const message = messages.get(id);
      if (message && (!named || this.#names(message).some((one) => named.has(one)))) this.#put(message);
    }
    this.#beginning();
  }

  /** The channels a message shows by name. @param {Message} message */
  #names(message) {
    const text = `${message.content} ${message.quoted?.content ?? ""}`;
    const named = text.includes("<#") ? [...text.matchAll(/<#(\d+)>/g)].map((found) => found[1]) : [];
    return message.thread_id ? [message.thread_id, ...named] : named;
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
    const slash = this.store.commands.some((known) => known.name === one.command);
    const dismiss = h("button", { class: "plain-link", type: "button", "data-dismiss": one.id }, "Dismiss");
    const inner = one.failed
      ? h("p", { class: "failure" }, icon("warn"), one.failed, " · ", dismiss)
      : thinking(`Sending ${slash ? "/" : ""}${one.command} to ${bot?.name ?? "the application"}…`);
    return h("li", { class: "message note", "data-key": one.id, "data-state": one.state }, inner);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.stuck = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    if (this.stuck) this.jump.hidden = true;
    const room = this.store.room(this.store.open ?? "");
    if (scrollTop < NEAR_TOP && room.more && !this.reading) this.#read(this.order[0]);
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
