// @ts-check
// The tree of `markdown.js` as elements. Clicks are left to `clicks.js`, which reads the data- attributes: an element
// may be kept while its content changes, so none has a listener of its own.

import { runs } from "./ansi.js";
import { h, icon } from "./dom.js";
import { parse } from "./markdown.js";
import { timestamp } from "./time.js";

/** @typedef {import("./store.js").Store} Store */

/**
 * A message's text.
 * @param {string} text
 * @param {Store} store knows the names behind mentions
 */
export function rich(text, store) {
  const nodes = parse(text);
  const box = h("div", { class: "rich" }, nodes.map((node) => element(node, store)));
  if (onlyEmoji(text)) box.classList.add("jumbo");
  return box;
}

const onlyEmoji = (/** @type {string} */ text) =>
  text.length < 40 && /^(?:\p{Extended_Pictographic}\uFE0F?\s*){1,10}$/u.test(text);

/** @type {Record<string, (node: any, inner: () => any[], store: Store) => any>} */
const MAKERS = {
  paragraph: (node, inner) => h("p", {}, inner()),
  quote: (node, inner) => h("blockquote", {}, inner()),
  heading: (node, inner) => h(`h${node.level + 2}`, { class: `heading-${node.level}` }, inner()),
  small: (node, inner) => h("p", { class: "small" }, inner()),
  list: (node, inner) => h("ul", { class: "list" }, inner()),
  item: (node, inner) =>
    h("li", { class: `level-${node.level}` }, h("span", { class: "bullet" }, node.number ? `${node.number}.` : "•"), h("span", {}, inner())),
  bold: (node, inner) => h("strong", {}, inner()),
  italic: (node, inner) => h("em", {}, inner()),
  underline: (node, inner) => h("u", {}, inner()),
  strike: (node, inner) => h("s", {}, inner()),
  spoiler: (node, inner) =>
    h("span", { class: "spoiler", "data-spoiler": "", role: "button", tabindex: "0", "aria-label": "Spoiler" }, h("span", {}, inner())),
  code: (node) => h("code", { class: "inline-code" }, node.text),
  "code-block": (node) => codeBlock(node),
  link: (node, inner) => h("a", { href: node.url, target: "_blank", rel: "noopener noreferrer", title: node.url }, inner()),
  time: (node) => timestamp(node.seconds, node.style),
  person: (node, inner, store) => person(node.id, store),
  channel: (node, inner, store) => place(node.id, store),
  role: (node, inner, store) => h("span", { class: "pill" }, `@${store.roles.get(node.id)?.name ?? `role ${node.id}`}`),
  command: (node) => h("button", { class: "pill", type: "button", "data-command": node.name }, `/${node.name}`),
  everyone: (node) => h("span", { class: "pill" }, node.text),
};

/** @param {any} node @param {Store} store @returns {any} */
function element(node, store) {
  if (typeof node === "string") return node;
  return MAKERS[node.type](node, () => (node.children ?? []).map((/** @type {any} */ one) => element(one, store)), store);
}

/** @param {string} id @param {Store} store */
function person(id, store) {
  const who = store.people.get(id);
  if (!who) return h("span", { class: "pill" }, `<@${id}>`);
  const mine = id === store.hello?.me ? " mine" : "";
  return h("button", { class: `pill${mine}`, type: "button", "data-person": id }, `@${who.name}`);
}

/** @param {string} id @param {Store} store */
function place(id, store) {
  const where = store.places.get(id);
  if (!where) return h("span", { class: "pill" }, "# unknown");
  const shape = where.parent_id ? icon("thread") : "#";
  return h("button", { class: "pill", type: "button", "data-channel": id }, shape, where.name);
}

/** @param {any} node */
function codeBlock(node) {
  const content =
    node.language === "ansi" ? runs(node.text).map((run) => (run.look ? h("span", { class: run.look }, run.text) : run.text)) : node.text;
  const copy = h("button", { class: "copy", type: "button", "data-copy": "", "aria-label": "Copy", title: "Copy" }, icon("copy"));
  return h("div", { class: "code-block", "data-key": `code ${node.language}` }, h("pre", { tabindex: "0" }, h("code", {}, content)), copy);
}
