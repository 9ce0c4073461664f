// @ts-check
// One message as an element: who and when, text, files, buttons, the thread that hangs from it, and for private ones
// who sees them. Made anew for each change and morphed into what stands there.

import { avatar, h, icon } from "./dom.js";
import { rich } from "./render.js";
import { hours, size, timestamp } from "./time.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Message} Message */

const STARTER = 21;
const CREATED = 18;
const PICTURE = /^image\/(png|jpeg|gif|webp|avif|bmp)$/;
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
  );
}

/** @param {Message} message @param {Store} store */
function who(message, store) {
  return store.people.get(message.author_id) ?? { id: message.author_id, name: message.author, bot: message.bot };
}

/** "you used /run local", or the message this one replies to. @param {Message} message @param {Store} store */
function context(message, store) {
  if (message.command) {
    const by = store.people.get(message.command.by);
    return h("div", { class: "context" }, by && avatar(by), h("strong", {}, by?.name ?? "somebody"), " used ",
      h("button", { class: "pill", type: "button", "data-command": message.command.name }, `/${message.command.name}`));
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
  const edited = message.edited && message.content ? h("span", { class: "edited", title: timestamp(message.edited, "F").title }, "(edited)") : null;
  const text = message.content ? rich(message.content, store) : null;
  const tail = text?.lastElementChild;
  if (edited && tail instanceof HTMLParagraphElement) tail.append(" ", edited);
  else if (edited) text?.append(edited);
  return h(
    "div",
    { class: "content" },
    text,
    message.embeds.map((one) => embed(one, store)),
    files(message),
    message.components.map((row) => buttons(row, message, store)),
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
  const pictures = message.attachments.filter((one) => PICTURE.test(one.type));
  const others = message.attachments.filter((one) => !PICTURE.test(one.type));
  // A picture keeps its element by its id: a fresh address for the same file must not load it again.
  return [
    pictures.map((one) =>
      h("button", { class: "picture", type: "button", "data-picture": one.id, "data-key": one.id, "aria-label": `Enlarge ${one.name}` },
        h("img", { src: one.url, alt: one.name, "data-key": one.id }))),
    others.map((one) =>
      h("a", { class: "file", href: one.url, download: one.name, "data-key": one.id }, icon("file"),
        h("span", {}, h("span", { class: "file-name" }, one.name), h("span", { class: "file-size" }, size(one.size))))),
  ];
}

const STYLES = ["", "primary", "secondary", "success", "danger", "link"];

/** @param {any} row @param {Message} message @param {Store} store */
function buttons(row, message, store) {
  const press = store.presses.get(message.id);
  const opened = press && store.interactions.get(press.id);
  const made = (row.components ?? []).map((/** @type {any} */ one) => {
    if (one.type !== 2) return h("span", { class: "unsupported" }, one.placeholder ?? "This control is not shown here.");
    const label = [one.emoji?.name, one.label].filter(Boolean).join(" ");
    if (one.url) return h("a", { class: "button link", href: /^https?:/.test(one.url) ? one.url : null, target: "_blank", rel: "noopener noreferrer" }, label);
    const waiting = press?.custom === one.custom_id && (!opened || opened.state === "waiting");
    return h("button",
      { class: `button ${STYLES[one.style] ?? "secondary"}${waiting ? " waiting" : ""}`, type: "button", disabled: one.disabled || Boolean(waiting),
        "data-press": one.custom_id, "data-message": message.id, "aria-busy": waiting ? "true" : null, "data-key": one.custom_id },
      h("span", { class: "label" }, label), waiting && h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")));
  });
  const failed = opened?.failed && h("p", { class: "failure", role: "status" }, icon("warn"), "This interaction failed");
  return [h("div", { class: "buttons" }, made), failed];
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
