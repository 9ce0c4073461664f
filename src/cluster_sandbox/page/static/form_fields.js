// @ts-check
// What may stand in a bot's form: texts, choices, files and words between them, each with its label and limits.

import { h, icon } from "./dom.js";
import { offered } from "./choices.js";
import { rich } from "./render.js";
import { size } from "./time.js";

/**
 * @typedef {{id: string, label: string, element: HTMLElement, input: any, value: () => any,
 *   problem: () => {says: string, early?: boolean}, mark: (wrong: boolean) => void}} Control
 * @typedef {{store: import("./store.js").Store, changed: () => void}} Tools
 */

const ROW = 1;
const LABEL = 18;
const TYPE = { SELECT: 3, TEXT: 4, WORDS: 10, FILES: 19 };
const PARAGRAPH = 2;
const LONGEST = 4000;

/** @param {any[]} components @param {Tools} tools @returns {Control[]} */
export function controls(components, tools) {
  return components.flatMap((one, index) => {
    if (one.type === ROW) return (one.components ?? []).map((/** @type {any} */ inner) => control(inner, inner, `form-${index}`, tools));
    if (one.type === LABEL) return [control(one.component, one, `form-${index}`, tools)];
    return [control(one, one, `form-${index}`, tools)];
  });
}

/** @param {any} part @param {any} about has `label` and `description` @param {string} place @param {Tools} tools @returns {Control} */
function control(part, about, place, tools) {
  if (part.type === TYPE.WORDS) return words(rich(part.content, tools.store));
  if (part.type === TYPE.TEXT) return text(part, about, place, tools);
  if (part.type === TYPE.FILES) return files(part, about, place, tools);
  const choices = offered(part, tools.store);
  return choices ? select(part, about, place, choices, tools) : words(h("p", { class: "unsupported" }, "This control is not shown here."));
}

/** @param {HTMLElement} element @returns {Control} */
function words(element) {
  return { id: "", label: "", element, input: null, value: () => null, problem: () => ({ says: "" }), mark: () => {} };
}

/** Whether a control must be filled in; Discord takes it so unless told otherwise. @param {any} part */
const required = (part) => part.required !== false;

/** A control in its frame. @param {any} part @param {any} about @param {string} place @param {any} input @param {any} body @param {any} [end] */
function framed(part, about, place, input, body, end) {
  input.id = place;
  input.setAttribute("aria-required", String(required(part)));
  if (about.description) input.setAttribute("aria-describedby", `${place}-about`);
  const mark = required(part) && h("span", { class: "required", title: "required" }, "*");
  const element = h("div", { class: "form-field", "data-field": part.custom_id }, h("label", { for: place }, about.label, mark),
    about.description && h("p", { class: "form-about", id: `${place}-about` }, about.description), body, end);
  const set = (/** @type {boolean} */ wrong) => (element.classList.toggle("wrong", wrong), input.setAttribute("aria-invalid", String(wrong)));
  return { id: part.custom_id, label: about.label, element, input, mark: set };
}

/** @param {any} part @param {any} about @param {string} place @param {Tools} tools @returns {Control} */
function text(part, about, place, tools) {
  const long = part.style === PARAGRAPH;
  const most = part.max_length ?? LONGEST;
  const counter = h("span", { class: "counter", "aria-hidden": "true" });
  const typed = () => (count(), tools.changed());
  const common = { placeholder: part.placeholder ?? null, autocomplete: "off", spellcheck: "false", oninput: typed };
  const input = long ? h("textarea", { rows: 6, ...common }) : h("input", { type: "text", ...common });
  input.value = part.value ?? "";
  const count = () => {
    counter.textContent = `${input.value.length}/${most}`;
    counter.classList.toggle("over", input.value.length > most);
  };
  count();
  const problem = () => {
    const length = input.value.length;
    if (!input.value.trim()) return { says: required(part) ? "is required" : "" };
    if (length > most) return { says: `takes at most ${most} characters, and this has ${length}`, early: true };
    return { says: length < (part.min_length ?? 0) ? `takes at least ${part.min_length} characters` : "" };
  };
  return { ...framed(part, about, place, input, input, counter), value: () => input.value, problem };
}

/** @param {any} part @param {any} about @param {string} place @param {any[]} choices @param {Tools} tools @returns {Control} */
function select(part, about, place, choices, tools) {
  const [fewest, most] = [part.min_values ?? 1, part.max_values ?? 1];
  if (most > 1) return several(part, about, place, choices, { fewest, most }, tools);
  const input = h("select", { onchange: () => tools.changed() }, h("option", { value: "" }, part.placeholder ?? "Make a selection"),
    choices.map((one) => h("option", { value: one.value, selected: one.default }, named(one))));
  const problem = () => ({ says: required(part) && fewest > 0 && !input.value ? "is required" : "" });
  return { ...framed(part, about, place, input, input), value: () => (input.value ? [input.value] : []), problem };
}

/** A choice with what is said about it. @param {any} one */
export const named = (one) => [one.emoji?.name, one.label].filter(Boolean).join(" ") + (one.description ? ` – ${one.description}` : "");

/** @param {any} part @param {any} about @param {string} place @param {any[]} choices @param {{fewest: number, most: number}} bounds @param {Tools} tools @returns {Control} */
function several(part, about, place, choices, { fewest, most }, tools) {
  const boxes = choices.map((one) => h("input", { type: "checkbox", value: one.value, checked: one.default, onchange: () => tools.changed() }));
  const group = h("div", { class: "form-choices", role: "group", tabindex: "-1", "aria-label": about.label },
    boxes.map((box, index) => h("label", {}, box, h("span", {}, named(choices[index])))));
  const value = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const problem = () => {
    const count = value().length;
    if (count > most) return { says: `takes at most ${most} of these`, early: true };
    const missing = count < fewest && (required(part) || count > 0);
    return { says: !missing ? "" : fewest > 1 ? `takes at least ${fewest} of these` : "is required" };
  };
  return { ...framed(part, about, place, group, group), value, problem };
}

/** @param {any} part @param {any} about @param {string} place @param {Tools} tools @returns {Control} */
function files(part, about, place, tools) {
  const [fewest, most] = [part.min_values ?? 1, part.max_values ?? 1];
  const limit = tools.store.hello?.file_bytes ?? Infinity;
  /** @type {File[]} */
  let held = [];
  const chooser = h("input", { type: "file", class: "visually-hidden", tabindex: "-1", "aria-label": `Files for ${about.label}`, multiple: most > 1,
    onchange: () => (add([...(chooser.files ?? [])]), (chooser.value = "")) });
  const input = h("button", { type: "button", class: "file-button", onclick: () => chooser.click() }, icon("file"), h("span", {}, most > 1 ? "choose or drop files" : "choose or drop a file"));
  const list = h("ul", { class: "form-files" });
  const zone = h("div", { class: "form-drop", ondragover: (/** @type {Event} */ event) => event.preventDefault(),
    ondrop: (/** @type {DragEvent} */ event) => (event.preventDefault(), event.stopPropagation(), add([...(event.dataTransfer?.files ?? [])])) }, list, input, chooser);
  /** @param {File[]} given */
  function add(given) {
    held = most > 1 ? [...held, ...given] : given.slice(0, 1);
    draw();
  }
  function draw() {
    const drop = (/** @type {File} */ file) => ((held = held.filter((one) => one !== file)), draw(), input.focus());
    list.replaceChildren(...held.map((file) => h("li", {}, icon("file"), h("span", { class: "clip" }, file.name), h("span", { class: "file-size" }, size(file.size)),
      h("button", { class: "leave", type: "button", "aria-label": `Remove ${file.name}`, onclick: () => drop(file) }, icon("close")))));
    tools.changed();
  }
  const problem = () => {
    if (held.length > most) return { says: `takes at most ${most} ${most > 1 ? "files" : "file"}`, early: true };
    if (held.some((one) => one.size > limit)) return { says: `takes files up to ${size(limit)}`, early: true };
    const missing = held.length < fewest && (required(part) || held.length > 0);
    return { says: !missing ? "" : fewest > 1 ? `takes at least ${fewest} files` : "is required" };
  };
  return { ...framed(part, about, place, input, zone), value: () => held, problem };
}
