// @ts-check
// What a click or a choice in a message, a pill, a chip or the list of channels does. One listener for the page, as
// elements are kept while their content changes; what to do stands in data- attributes.

import { h } from "./dom.js";

/** @typedef {import("./store.js").Store} Store */

/**
 * @param {Store} store
 * @param {import("./net.js").Net} net
 * @param {import("./composer.js").Composer} composer
 * @param {import("./menu.js").Menu} menu
 */
export function listen(store, net, composer, menu) {
  /** @type {Record<string, (value: string, element: HTMLElement) => void>} */
  const acts = {
    channel: (id) => go(store, id),
    person: (id) => composer.insert(`<@${id}> `),
    command: (name) => composer.begin(name),
    sample: (name) => sample(store, net, composer, name),
    spoiler: (_, element) => element.classList.toggle("shown"),
    copy: (_, element) => copy(element),
    dismiss: (id) => store.dismiss(id, store.open ?? ""),
    picture: (_, element) => enlarge(element),
    press: (custom, element) => press(store, net, custom, element.dataset.message ?? ""),
    choose: (custom, element) => choose(store, net, custom, element),
    menu: (_, element) => menu.open(element),
    actAs: (name) => (location.search = new URLSearchParams({ as: name }).toString()),
    drawer: () => document.body.classList.toggle("drawer"),
  };
  const act = (/** @type {Event} */ event) => {
    const target = /** @type {Element} */ (event.target);
    for (let element = target.closest("[data-channel], [data-person], [data-command], [data-sample], [data-spoiler], [data-copy], [data-dismiss], [data-picture], [data-press], [data-choose], [data-menu], [data-act-as], [data-drawer]"); element; element = null) {
      const data = /** @type {HTMLElement} */ (element).dataset;
      const name = Object.keys(acts).find((one) => one in data);
      if (name) acts[name](data[name] ?? "", /** @type {HTMLElement} */ (element));
    }
    if (!target.closest("[data-drawer], .sidebar")) document.body.classList.remove("drawer");
  };
  document.addEventListener("click", act);
  document.addEventListener("change", (event) => {
    const menu = /** @type {HTMLSelectElement} */ (event.target);
    if (menu.matches("select[data-select]") && menu.value) press(store, net, menu.dataset.select ?? "", menu.dataset.message ?? "", [menu.value]);
  });
  document.addEventListener("keydown", (event) => {
    const spoiler = /** @type {Element} */ (event.target).matches?.("[data-spoiler]");
    if (spoiler && (event.key === "Enter" || event.key === " ")) act(event);
    if (event.key === "Escape") document.body.classList.remove("drawer");
  });
}

/** Open a channel, as the address says from then on. @param {Store} store @param {string} id */
export function go(store, id) {
  document.body.classList.remove("drawer");
  if (!store.places.has(id)) return;
  if (location.hash !== `#${id}`) history.pushState(null, "", `#${id}`);
  store.show(id);
}

/** @param {Store} store @param {import("./net.js").Net} net @param {import("./composer.js").Composer} composer @param {string} name */
async function sample(store, net, composer, name) {
  const chosen = store.hello.samples.find((/** @type {any} */ one) => one.name === name);
  try {
    const file = await net.sample(name);
    composer.begin(chosen.command, { [chosen.option]: file });
  } catch (error) {
    store.emit("trouble", /** @type {Error} */ (error).message);
  }
}

/** @param {HTMLElement} element */
async function copy(element) {
  const text = element.closest(".code-block")?.querySelector("code")?.textContent ?? "";
  await navigator.clipboard.writeText(text);
  element.classList.add("done");
  element.addEventListener("mouseleave", () => element.classList.remove("done"), { once: true });
}

/** @param {HTMLElement} element */
function enlarge(element) {
  const small = /** @type {HTMLImageElement} */ (element.querySelector("img"));
  const dialog = h("dialog", { class: "large", "aria-label": small.alt, onclose: () => dialog.remove(), onclick: () => dialog.close() },
    h("img", { src: small.src, alt: small.alt }), h("a", { href: small.src, download: small.alt }, `Download ${small.alt}`));
  document.body.append(dialog);
  dialog.showModal();
}

/** Send what is ticked in a menu of several choices. @param {Store} store @param {import("./net.js").Net} net @param {string} custom @param {HTMLElement} element */
function choose(store, net, custom, element) {
  const list = /** @type {HTMLDetailsElement} */ (element.closest("details"));
  const values = [...list.querySelectorAll("input:checked")].map((one) => /** @type {HTMLInputElement} */ (one).value);
  const [fewest, most] = [Number(list.dataset.fewest), Number(list.dataset.most)];
  if (values.length < fewest) return store.emit("trouble", `Choose at least ${fewest}.`);
  if (values.length > most) return store.emit("trouble", `Choose at most ${most}.`);
  list.open = false;
  press(store, net, custom, list.dataset.message ?? "", values);
}

/**
 * @param {Store} store @param {import("./net.js").Net} net @param {string} custom @param {string} message
 * @param {string[]} [values] what was chosen, for a menu
 */
async function press(store, net, custom, message, values) {
  store.presses.set(message, { id: "", custom });
  store.emit("interactions");
  try {
    const opened = await net.press(store.open ?? "", message, custom, values);
    store.presses.set(message, { id: opened.id, custom });
    store.begun(opened, "component");
  } catch (error) {
    store.presses.delete(message);
    store.emit("trouble", /** @type {Error} */ (error).message);
  }
  store.emit("interactions");
}
