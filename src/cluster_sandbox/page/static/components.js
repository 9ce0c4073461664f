// @ts-check
// Buttons and select menus under a message, and messages that are laid out as a whole (Components V2): containers,
// sections, texts, pictures, files. Presses are left to `clicks.js`, as these elements are kept while they change.

import { offered } from "./choices.js";
import { h, icon } from "./dom.js";
import { fileLink, isPicture, picture } from "./files.js";
import { named } from "./form_fields.js";
import { rich } from "./render.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Message} Message */

/** What makes up a message besides its text. @param {Message} message @param {Store} store */
export function layout(message, store) {
  const press = store.presses.get(message.id);
  const opened = press && store.interactions.get(press.id);
  const waiting = press && (!opened || opened.state === "waiting") ? press.custom : null;
  const around = { message, store, waiting };
  const failed = opened?.failed && h("p", { class: "failure", role: "status" }, icon("warn"), "This interaction failed");
  return [message.components.map((one) => component(one, around)), failed];
}

/** @typedef {{message: Message, store: Store, waiting: string|null}} Around */

/** @type {Record<number, (one: any, around: Around) => any>} */
const MAKERS = {
  1: (one, around) => h("div", { class: "buttons" }, parts(one, around)),
  2: button,
  3: select,
  5: select,
  6: select,
  7: select,
  8: select,
  9: (one, around) => h("div", { class: "section" }, h("div", { class: "section-texts" }, parts(one, around)),
    one.accessory && h("div", { class: "accessory" }, component(one.accessory, around))),
  10: (one, around) => rich(String(one.content ?? ""), around.store),
  11: (one, around) => media(one.media, one.description, one.spoiler, around),
  12: (one, around) => h("div", { class: "gallery" }, (one.items ?? []).map((/** @type {any} */ item) => media(item.media, item.description, item.spoiler, around))),
  13: (one, around) => file(one, around),
  14: (one) => h("div", { class: `separator${one.divider === false ? "" : " line"}${one.spacing === 2 ? " wide" : ""}`, role: "presentation" }),
  17: container,
};

/** @param {any} one @param {Around} around @returns {any} */
function component(one, around) {
  return MAKERS[one.type]?.(one, around) ?? h("span", { class: "unsupported" }, "This control is not shown here.");
}

/** @param {any} one @param {Around} around */
const parts = (one, around) => (one.components ?? []).map((/** @type {any} */ inner) => component(inner, around));

/** A frame; the bar at its side has the colour that the bot chose. @param {any} one @param {Around} around */
function container(one, around) {
  const chosen = Number.isInteger(one.accent_color) ? `#${one.accent_color.toString(16).padStart(6, "0")}` : null;
  const bar = chosen && colour(chosen);
  const body = h("div", { class: "container-parts" }, parts(one, around));
  return h("div", { class: "container" }, bar, one.spoiler ? spoiler(body) : body);
}

/** A colour as a drawing, since the page's policy allows no styles of its own on elements. @param {string} chosen */
function colour(chosen) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "accent");
  svg.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: chosen })) rect.setAttribute(name, value);
  svg.append(rect);
  return svg;
}

/** @param {any} inner */
const spoiler = (inner) => h("div", { class: "spoiler block", "data-spoiler": "", role: "button", tabindex: "0", "aria-label": "Spoiler" }, inner);

const STYLES = ["", "primary", "secondary", "success", "danger", "link"];

/** @param {any} one @param {Around} around */
function button(one, { message, waiting }) {
  const label = [one.emoji?.name, one.label].filter(Boolean).join(" ");
  const key = one.custom_id ?? one.url;
  if (one.url && !one.disabled) return h("a", { class: "button link", href: /^https?:/.test(one.url) ? one.url : null, target: "_blank", rel: "noopener noreferrer", "data-key": key }, label);
  const busy = waiting !== null && waiting === one.custom_id;
  return h("button",
    { class: `button ${STYLES[one.style] || "secondary"}${busy ? " waiting" : ""}`, type: "button", disabled: one.disabled || busy,
      "data-press": one.custom_id, "data-message": message.id, "aria-busy": busy ? "true" : null, "data-key": key },
    h("span", { class: "label" }, label), busy && h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")));
}

/** A select menu: one choice is sent as it is made, several by the button that ends the list. @param {any} one @param {Around} around */
function select(one, { message, store, waiting }) {
  const choices = offered(one, store) ?? [];
  const busy = waiting !== null && waiting === one.custom_id;
  const label = one.placeholder ?? "Make a selection";
  const off = one.disabled || busy;
  // Another set of choices is another menu: what was chosen in the old one must not stay.
  const key = `${one.custom_id} ${choices.map((choice) => `${choice.value}${choice.default ? "*" : ""}`).join(" ")}`;
  const told = { "data-select": one.custom_id, "data-message": message.id, "data-key": key, "aria-busy": busy ? "true" : null };
  if ((one.max_values ?? 1) <= 1) {
    return h("select", { class: "menu-select", "aria-label": label, disabled: off, ...told }, h("option", { value: "" }, label),
      choices.map((choice) => h("option", { value: choice.value, selected: choice.default }, named(choice))));
  }
  const boxes = choices.map((choice) => h("label", {}, h("input", { type: "checkbox", value: choice.value, checked: choice.default, disabled: off }), h("span", {}, named(choice))));
  const bounds = { "data-fewest": one.min_values ?? 1, "data-most": one.max_values };
  return h("details", { class: "menu-several", ...told, ...bounds }, h("summary", {}, label), boxes,
    h("button", { class: "button primary", type: "button", "data-choose": one.custom_id, disabled: off }, "Choose"));
}

/** The attachment that a reference in a layout means. @param {any} reference @param {Message} message */
function referenced(reference, message) {
  const url = String(reference?.url ?? "");
  const name = decodeURIComponent(url.split("?")[0].split("/").at(-1) ?? "");
  return message.attachments.find((one) => one.name === name);
}

/** @param {any} reference @param {string|undefined} says @param {boolean|undefined} hidden @param {Around} around */
function media(reference, says, hidden, { message }) {
  const found = referenced(reference, message);
  if (!found) return h("span", { class: "unsupported" }, says || "A picture from elsewhere; this page loads none.");
  const shown = isPicture(found) ? picture(found, says) : fileLink(found);
  return hidden ? spoiler(shown) : shown;
}

/** @param {any} one @param {Around} around */
function file(one, { message }) {
  const found = referenced(one.file, message);
  if (!found) return h("span", { class: "unsupported" }, one.name ?? "A file that is not there.");
  return one.spoiler ? spoiler(fileLink(found)) : fileLink(found);
}
