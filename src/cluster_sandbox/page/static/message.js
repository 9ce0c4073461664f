// @ts-check
// One message as an element: who and when, text, files, buttons, the thread that hangs from it, and for private ones
// who sees them. Made anew for each change and morphed into what stands there.

import { layout } from "./components.js";
import { avatar, h, icon } from "./dom.js";
import { fileLink, isPicture, picture } from "./files.js";
import { rich } from "./render.js";
import { hours, timestamp } from "./time.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Message} Message */

const STARTER = 21;
const CREATED = 18;
const ON_MESSAGE = 23;
const GROUP_S = 7 * 60;

/** Whether a message continues the one before it, under the same name. @param {Message|undefined} before @param {Message} message */
export function continues(before, message) {
  if (!before || before.type === STARTER || message.quoted || message.command || message.type === CREATED) return false;
  return before.author_id === message.author_id && message.time - before.time < GROUP_S && before.private === message.private;
}

/**
 * @param {Message} message
 * @param {Store} store
 * @returns {HTMLElement}
 */
export function messageElement(message, store) {
  if (message.type === STARTER) return starter(message, store);
  if (message.type === CREATED) return system(message, store);
  const mine = message.mentions.includes(store.hello?.me) || message.everyone;
  const classes = ["message", message.private && "private", mine && "mentions-me"].filter(Boolean).join(" ");
  return h(
    "li",
    { class: classes, "data-id": message.id, "data-author": message.author, "data-private": message.private },
    context(message, store),
    h("div", { class: "gutter" }, avatar(who(message, store)), h("span", { class: "side-time" }, hours(message.time))),
    h("div", { class: "body" }, header(message, store), content(message, store), thread(message, store), privacy(message)),
    more(message),
  );
}

/** @param {Message} message @param {Store} store */
function who(message, store) {
  return store.people.get(message.author_id) ?? { id: message.author_id, name: message.author, bot: message.bot };
}

/** What opens the menu of a message; a right click and a long press do, too. @param {Message} message */
function more(message) {
  return h("button", { class: "more", type: "button", "data-menu": message.id, "data-in": message.channel_id, "aria-haspopup": "menu", "aria-label": "More", title: "More" }, icon("more"));
}

/** "you used /run local", or the message this one replies to. @param {Message} message @param {Store} store */
function context(message, store) {
  if (message.command) {
    const by = store.people.get(message.command.by);
    const { name } = message.command;
    const used = message.type === ON_MESSAGE ? h("span", { class: "pill" }, name) : h("button", { class: "pill", type: "button", "data-command": name }, `/${name}`);
    return h("div", { class: "context" }, by && avatar(by), h("strong", {}, by?.name ?? "somebody"), " used ", used);
  }
  if (!message.quoted) return null;
  const quoted = message.quoted;
  return h("div", { class: "context" }, avatar(who(quoted, store)), h("strong", {}, quoted.author), h("span", { class: "clip" }, quoted.content));
}

/** @param {Message} message @param {Store} store */
function header(message, store) {
  return h(
    "div",
    { class: "head" },
    h("span", { class: `name tone-text-${message.bot ? "bot" : "human"}` }, who(message, store).name),
    message.bot && h("span", { class: "badge" }, "app"),
    h("time", { class: "when", datetime: new Date(message.time * 1000).toISOString(), title: timestamp(message.time, "F").title }, hours(message.time)),
  );
}

/** @param {Message} message @param {Store} store */
function content(message, store) {
  if (message.failed) return h("p", { class: "failure" }, icon("warn"), message.failed);
  if (message.loading) return thinking(`${message.author} is thinking…`);
  const edited = message.edited && (message.content || message.layout) ? h("span", { class: "edited", title: timestamp(message.edited, "F").title }, "(edited)") : null;
  const text = message.content ? rich(message.content, store) : null;
  const tail = text?.lastElementChild;
  if (edited && tail instanceof HTMLParagraphElement) tail.append(" ", edited);
  else if (edited && text) text.append(edited);
  return h(
    "div",
    { class: "content" },
    text,
    message.embeds.map((one) => embed(one, store)),
    // A laid out message shows the files that it names, where it names them.
    message.layout ? null : files(message),
    layout(message, store),
    message.layout && edited,
  );
}

/** @param {string} text */
export function thinking(text) {
  return h("p", { class: "thinking", role: "status" }, h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), text);
}

/** @param {any} one @param {Store} store */
function embed(one, store) {
  return h("div", { class: "embed" }, one.title && h("strong", {}, one.title), one.description && rich(String(one.description), store),
    (one.fields ?? []).map((/** @type {any} */ field) => h("div", {}, h("strong", {}, field.name), rich(String(field.value), store))));
}

/** @param {Message} message */
function files(message) {
  const pictures = message.attachments.filter(isPicture);
  const others = message.attachments.filter((one) => !isPicture(one));
  return [pictures.map((one) => picture(one)), others.map((one) => fileLink(one))];
}

/** What hangs under an anchor. @param {Message} message @param {Store} store */
function thread(message, store) {
  const place = message.thread_id ? store.places.get(message.thread_id) : null;
  if (!place || store.open === place.id) return null;
  const count = place.messages === 1 ? "1 message" : `${place.messages} messages`;
  return h("button", { class: "thread-entry", type: "button", "data-channel": place.id }, icon("thread"),
    h("strong", {}, place.name), h("span", { class: "count" }, count, " ›"));
}

/** @param {Message} message */
function privacy(message) {
  if (!message.private) return null;
  return h("p", { class: "privacy" }, icon("eye"), "Only you can see this · ",
    h("button", { class: "plain-link", type: "button", "data-dismiss": message.id }, "Dismiss message"));
}

/** The first entry of a thread: the message it hangs from. @param {Message} message @param {Store} store */
function starter(message, store) {
  const quoted = message.quoted;
  if (!quoted) return h("li", { class: "system", "data-id": message.id }, icon("thread"), "The message this thread began with is gone.");
  const inner = messageElement({ ...quoted, thread_id: null, quoted: null }, store);
  inner.classList.add("starter");
  inner.setAttribute("data-id", message.id);
  return inner;
}

/** @param {Message} message @param {Store} store */
function system(message, store) {
  const target = [...store.places.values()].find((one) => one.parent_id === message.channel_id && one.name === message.content);
  const name = target ? h("button", { class: "plain-link", type: "button", "data-channel": target.id }, message.content) : h("strong", {}, message.content);
  return h("li", { class: "system", "data-id": message.id }, icon("thread"), h("strong", {}, message.author), " started a thread: ", name, ".",
    h("time", { class: "when" }, hours(message.time)));
}
