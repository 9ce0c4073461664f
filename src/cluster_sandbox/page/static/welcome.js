// @ts-check
// What stands where a channel begins, and so alone in an empty one: where you are and what to do first.

import { h, icon } from "./dom.js";
import { rich } from "./render.js";
import { KIND } from "./store.js";

/** @typedef {import("./store.js").Store} Store */

/** The drawing for a kind of channel. @param {import("./store.js").Place} place */
export function shape(place) {
  if (place.type === KIND.NEWS) return "news";
  if (place.type === KIND.VOICE) return "voice";
  if (place.type === KIND.FORUM) return "forum";
  if (place.type === KIND.DIRECT) return "bot";
  return place.parent_id ? "thread" : "text";
}

/** @param {Store} store @returns {any[]} */
export function beginning(store) {
  const place = store.place;
  if (!place) return [];
  const sign = h("div", { class: place.parent_id ? "sign small" : "sign" }, icon(shape(place)));
  if (place.parent_id) return [sign, h("h2", {}, place.name), h("p", {}, "This is where the thread begins.")];
  if (place.type === KIND.FORUM) return [sign, h("h2", {}, place.name), ...forum(store)];
  if (place.type === KIND.DIRECT) return [sign, h("h2", {}, place.name), h("p", {}, `This is the beginning of your direct messages with ${place.name}; nobody else sees them.`)];
  return [
    sign,
    h("h2", {}, `Welcome to ${place.type === KIND.VOICE ? "" : "#"}${place.name}`),
    store.hello?.hint ? h("div", { class: "hint" }, rich(store.hello.hint, store)) : h("p", {}, "Nothing was said here before."),
    ...samples(store),
  ];
}

/** Programs to try: each fills the command, and sends nothing. @param {Store} store */
function samples(store) {
  const usable = (store.hello?.samples ?? []).filter((/** @type {any} */ one) => store.commands.some((command) => command.name === one.command));
  if (!usable.length) return [];
  const chips = usable.map((/** @type {any} */ one) =>
    h("button", { class: "chip", type: "button", "data-sample": one.name }, icon("file"), h("span", {}, h("strong", {}, one.name), h("span", {}, one.says))));
  return [h("div", { class: "chips", role: "group", "aria-label": "Programs to try" }, chips)];
}

/** @param {Store} store */
function forum(store) {
  const posts = [...store.places.values()].filter((one) => one.parent_id === store.open);
  return [
    h("p", {}, posts.length ? "The posts of this forum:" : "Nobody has posted here yet; write below to be the first."),
    h("div", { class: "posts" }, posts.map((one) => h("button", { class: "thread-entry", type: "button", "data-channel": one.id }, icon("thread"), h("strong", {}, one.name), h("span", { class: "count" }, `${one.messages} ›`)))),
  ];
}
