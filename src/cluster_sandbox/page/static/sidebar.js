// @ts-check
// The left side: channels with their threads and unread marks, and who one acts as. A drawer on narrow screens.

import { avatar, h, icon, morph } from "./dom.js";
import { byId, KIND } from "./store.js";
import { shape } from "./welcome.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Place} Place */

const THREADS_SHOWN = 12;

export class Sidebar {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.nav = h("nav", { class: "channels", "aria-label": "Channels" });
    this.title = h("div", { class: "guild" });
    this.people = h("div", { class: "acting" });
    this.element = h("aside", { class: "sidebar", id: "sidebar" }, this.title, this.nav, this.people);
    for (const topic of ["places", "unread", "open"]) store.on(topic, () => this.#channels());
    for (const topic of ["people", "connection"]) store.on(topic, () => this.#who());
  }

  #channels() {
    const all = [...this.store.places.values()];
    const direct = all.filter((one) => one.type === KIND.DIRECT);
    const top = all.filter((one) => !one.parent_id && one.type !== KIND.DIRECT).sort((a, b) => a.position - b.position);
    const entries = top.map((one) => [this.#entry(one), this.#threads(one, all)]);
    this.nav = morph(this.nav, h("nav", { class: "channels", "aria-label": "Channels" }, h("ul", {}, entries),
      h("h2", { class: "channels-title" }, "Direct messages"), h("ul", {}, direct.map((one) => this.#entry(one)))));
  }

  /** The threads of a channel, newest first; the open one is always among them. @param {Place} parent @param {Place[]} all */
  #threads(parent, all) {
    const inside = all.filter((one) => one.parent_id === parent.id).sort((a, b) => byId(b.id, a.id));
    const shown = inside.filter((one, index) => (index < THREADS_SHOWN && !one.archived) || one.id === this.store.open || this.store.unread.has(one.id));
    if (!shown.length) return null;
    return h("li", { class: "threads" }, h("ul", {}, shown.map((one) => this.#entry(one))));
  }

  /** @param {Place} place */
  #entry(place) {
    const { store } = this;
    const unread = store.unread.get(place.id);
    const here = place.id === store.open;
    const label = unread ? `${place.name}, ${unread.count} unread` : place.name;
    const count = unread && h("span", { class: `unread${unread.mention ? " mention" : ""}`, "aria-hidden": "true" }, unread.count > 99 ? "99+" : String(unread.count));
    const classes = `channel${here ? " here" : ""}${unread ? " has-unread" : ""}${place.parent_id ? " thread" : ""}`;
    return h("li", { "data-key": place.id }, h("button", { class: classes, type: "button", "data-channel": place.id, "aria-current": here ? "page" : null, "aria-label": label, title: place.name },
      icon(shape(place)), h("span", { class: "clip" }, place.name), place.writable ? null : icon("lock"), count));
  }

  #who() {
    const { store } = this;
    const bot = store.people.get(store.hello?.bot_id);
    this.title = morph(this.title, h("div", { class: "guild" }, h("strong", {}, store.hello?.guild ?? "Sandbox"),
      bot && h("span", { class: `presence${bot.online ? " online" : ""}` }, `${bot.name} is ${bot.online ? "online" : "offline"}`)));
    const acting = [...store.people.values()].filter((one) => one.acting);
    const choices = acting.map((one) =>
      h("button", { class: "person", type: "button", "data-act-as": one.name, "aria-pressed": one.id === store.hello?.me ? "true" : "false", title: one.admin ? `${one.name}, who may manage this server` : one.name },
        avatar(one), h("span", { class: "clip" }, one.name), one.admin && one.name !== "admin" && h("span", { class: "badge" }, "admin")));
    this.people = morph(this.people, h("div", { class: "acting" }, h("span", { class: "label" }, "You act as"), h("div", { class: "people", role: "group", "aria-label": "You act as" }, choices)));
  }
}

/** The bar over the messages. */
export class Header {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.place = h("div", { class: "where" });
    this.state = h("div", { class: "connection", role: "status" });
    const menu = h("button", { class: "menu", type: "button", "aria-label": "Channels", "aria-controls": "sidebar", "data-drawer": "" }, icon("menu"));
    this.element = h("header", { class: "bar" }, menu, this.place, this.state);
    for (const topic of ["open", "places"]) store.on(topic, () => this.#where());
    store.on("connection", () => this.#connection());
    store.on("unread", () => this.#count());
  }

  #where() {
    const place = this.store.place;
    if (!place) return;
    const parent = place.parent_id ? this.store.places.get(place.parent_id) : null;
    const above = parent && [h("button", { class: "plain-link parent", type: "button", "data-channel": parent.id }, icon(shape(parent)), parent.name), h("span", { class: "slash", "aria-hidden": "true" }, "›")];
    this.place = morph(this.place, h("div", { class: "where" }, above, icon(shape(place)), h("h1", { class: "clip" }, place.name)));
    this.#count();
  }

  #count() {
    const total = [...this.store.unread.values()].reduce((sum, one) => sum + one.count, 0);
    const name = this.store.place ? `${this.store.place.type === KIND.TEXT ? "#" : ""}${this.store.place.name}` : "";
    const title = `${total ? `(${total}) ` : ""}${name} · ${this.store.hello?.guild ?? "Sandbox"}`;
    // Setting it is work for the browser as well, also where it stays the same.
    if (document.title !== title) document.title = title;
  }

  #connection() {
    this.state.textContent = this.store.connected ? "" : "Connection lost, trying again…";
    this.state.classList.toggle("lost", !this.store.connected);
  }
}
