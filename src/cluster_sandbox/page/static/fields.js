// @ts-check
// The fields of a command's options, one maker for each kind. A field says what it holds, or what is wrong with it.

import { people, places, roles } from "./choices.js";
import { h, icon } from "./dom.js";
import { size } from "./time.js";

/**
 * @typedef {{element: HTMLElement, input: HTMLElement, read: () => {value?: any, problem?: string}, set: (value: any) => void,
 *   held?: () => boolean}} Field `held`, for files: whether there is one
 * @typedef {{store: import("./store.js").Store, picker: import("./picker.js").Picker,
 *   complete: (option: any, typed: string) => Promise<{name: string, value: any}[]>, changed: () => void,
 *   files: (given: File[], first: string) => void}} Tools
 */

const TYPE = { STRING: 3, INTEGER: 4, BOOLEAN: 5, USER: 6, CHANNEL: 7, ROLE: 8, MENTIONABLE: 9, NUMBER: 10, FILE: 11 };

/** @param {any} option @param {Tools} tools @returns {Field} */
export function field(option, tools) {
  if (option.type === TYPE.FILE) return fileField(option, tools);
  if (option.autocomplete) return completedField(option, tools);
  const offered = choices(option, tools.store);
  return offered ? chosenField(option, offered, tools) : typedField(option, tools);
}

/** What a closed list offers, null for an open one. @param {any} option @param {import("./store.js").Store} store */
function choices(option, store) {
  if (option.choices?.length) return option.choices;
  if (option.type === TYPE.BOOLEAN) return [{ name: "True", value: true }, { name: "False", value: false }];
  if (option.type === TYPE.USER || option.type === TYPE.MENTIONABLE) return people(store).map((one) => ({ name: `@${one.name}`, value: one.id }));
  if (option.type === TYPE.ROLE) return roles(store).map((one) => ({ name: `@${one.name}`, value: one.id }));
  if (option.type === TYPE.CHANNEL) return places(option.channel_types, store).map((one) => ({ name: `#${one.name}`, value: one.id }));
  return null;
}

/** What every field looks like. @param {any} option @param {any} input @param {...any} more */
function frame(option, input, ...more) {
  input.setAttribute("aria-required", option.required ? "true" : "false");
  const mark = option.required ? h("span", { class: "required", title: "required" }, "*") : null;
  return h("div", { class: `field${option.required ? "" : " optional"}`, "data-option": option.name, title: option.description },
    h("label", { for: input.id }, option.name, mark), input, ...more);
}

const whole = /^[+-]?\d+$/;
const numeric = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A typed text as the option's value, or what is wrong with it. @param {any} option @param {string} text */
export function check(option, text) {
  const given = text.trim();
  if (!given) return option.required ? { problem: "is required" } : {};
  const number = option.type === TYPE.INTEGER || option.type === TYPE.NUMBER;
  if (option.type === TYPE.INTEGER && !(whole.test(given) && Number.isSafeInteger(Number(given)))) return { problem: "takes a whole number" };
  if (option.type === TYPE.NUMBER && !numeric.test(given)) return { problem: "takes a number" };
  const value = number ? Number(given) : text;
  const [measure, low, high, unit] = number
    ? [Number(given), option.min_value, option.max_value, ""]
    : [text.length, option.min_length, option.max_length ?? 6000, " characters"];
  if (low !== undefined && low !== null && measure < low) return { problem: `takes at least ${low}${unit}` };
  if (high !== undefined && high !== null && measure > high) return { problem: `takes at most ${high}${unit}` };
  return { value };
}

/** @param {any} option @param {Tools} tools @returns {Field} */
function typedField(option, tools) {
  const number = option.type === TYPE.INTEGER || option.type === TYPE.NUMBER;
  const input = h("input", { id: `option-${option.name}`, type: "text", autocomplete: "off", spellcheck: "false",
    inputmode: number ? "numeric" : null, placeholder: number ? "number" : "text", oninput: () => tools.changed() });
  return { element: frame(option, input), input, read: () => check(option, input.value), set: (value) => (input.value = String(value)) };
}

/** @param {any} option @param {any[]} offered @param {Tools} tools @returns {Field} */
function chosenField(option, offered, tools) {
  const input = h("select", { id: `option-${option.name}`, onchange: () => tools.changed() },
    h("option", { value: "" }, option.required ? "choose…" : "–"), offered.map((one, index) => h("option", { value: index }, one.name)));
  const read = () => (input.value === "" ? (option.required ? { problem: "is required" } : {}) : { value: offered[Number(input.value)].value });
  return { element: frame(option, input), input, read, set: (value) => (input.value = String(offered.findIndex((one) => one.value === value))) };
}

/** Typed, with choices from the bot; one question at a time, and only for what stands there now. @param {any} option @param {Tools} tools @returns {Field} */
function completedField(option, tools) {
  /** @type {{name: string, value: any}|null} */
  let picked = null;
  let asking = false;
  const input = h("input", { id: `option-${option.name}`, type: "text", autocomplete: "off", spellcheck: "false", role: "combobox",
    "aria-controls": "picker-list", "aria-expanded": "false", "aria-autocomplete": "list", placeholder: "type to choose" });
  const focused = () => document.activeElement === input;
  async function ask() {
    if (asking) return;
    asking = true;
    let typed = "";
    try {
      do {
        typed = input.value;
        const found = await tools.complete(option, typed);
        if (focused()) offer(found);
      } while (focused() && typed !== input.value);
    } catch {
      if (focused()) tools.picker.show(input, "Loading options failed.", [], () => {});
    } finally {
      asking = false;
    }
  }
  /** @param {{name: string, value: any}[]} found */
  function offer(found) {
    const title = found.length ? option.description : "Nothing fits.";
    tools.picker.show(input, title, found.map((one) => ({ title: one.name, value: one })), (one) => {
      picked = one;
      input.value = one.name;
      tools.changed();
    });
  }
  input.addEventListener("input", () => ((picked = null), tools.changed(), ask()));
  input.addEventListener("focus", () => ask());
  input.addEventListener("blur", () => tools.picker.hide());
  return { element: frame(option, input), input, read: () => (picked ? { value: picked.value } : check(option, input.value.replace(/^#(?=\d)/, ""))), set: (value) => (input.value = String(value)) };
}

/** @param {any} option @param {Tools} tools @returns {Field} */
function fileField(option, tools) {
  /** @type {File|null} */
  let file = null;
  const chosen = () => {
    const given = [...(chooser.files ?? [])];
    chooser.value = "";
    tools.files(given, option.name);
  };
  // More than one go on into the command's next places for files.
  const chooser = h("input", { type: "file", multiple: true, class: "visually-hidden", tabindex: "-1", "aria-label": `File for ${option.name}`, onchange: chosen });
  const clear = h("button", { type: "button", class: "file-clear", "aria-label": `Remove the file of ${option.name}`, onclick: () => (set(null), input.focus()) }, icon("close"));
  const input = h("button", { type: "button", class: "file-button", id: `option-${option.name}`, onclick: () => chooser.click() });
  function draw() {
    const text = file ? file.name : "choose or drop a file";
    input.setAttribute("aria-label", `${option.name}: ${text}`);
    input.replaceChildren(icon("file"), h("span", { class: "clip" }, text), file ? h("span", { class: "file-size" }, size(file.size)) : "");
    input.classList.toggle("filled", Boolean(file));
    clear.hidden = !file;
  }
  /** @param {File|null} given */
  function set(given) {
    file = given;
    draw();
    tools.changed();
  }
  const limit = tools.store.hello?.file_bytes ?? Infinity;
  const read = () => {
    if (!file) return option.required ? { problem: "needs a file" } : {};
    return file.size > limit ? { problem: `takes files up to ${size(limit)}` } : { value: file };
  };
  draw();
  return { element: frame(option, input, clear, chooser), input, read, set, held: () => Boolean(file) };
}
