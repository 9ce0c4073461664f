// @ts-check
// Puts the page together: who acts (?as=name), which channel is open (#id), the stream, and files dragged in.

import { go, listen } from "./clicks.js";
import { Composer } from "./composer.js";
import { h } from "./dom.js";
import { Forms } from "./forms.js";
import { Menu } from "./menu.js";
import { Net } from "./net.js";
import { Header, Sidebar } from "./sidebar.js";
import { KIND, Store } from "./store.js";
import { tick } from "./time.js";
import { Timeline } from "./timeline.js";

const store = new Store();
const net = new Net(new URLSearchParams(location.search).get("as") ?? "");
const sidebar = new Sidebar(store);
const header = new Header(store);
const timeline = new Timeline(store, net);
const composer = new Composer(store, net, () => timeline.toBottom());
const drop = h("div", { class: "drop", hidden: true }, h("p", {}, "Drop files to attach them to a command"));
const menu = new Menu(store, net);
const forms = new Forms(store, net, () => composer.focus());

const main = h("main", { class: "main" }, header.element, timeline.element, composer.element, drop);

document.body.replaceChildren(sidebar.element, main);
listen(store, net, composer, menu);
tick();

/** The channel in the address, or the first one that has messages. */
function openFromAddress() {
  const wanted = location.hash.slice(1);
  const text = [...store.places.values()].find((one) => one.type === KIND.TEXT);
  const chosen = store.places.has(wanted) ? wanted : text?.id;
  if (chosen && chosen !== store.open) store.show(chosen);
}

let life = "";
net.listen(
  (batch) => {
    if (batch.hello) {
      // A demo that was started anew knows nothing of what this page shows.
      if (life && life !== batch.hello.life) return location.reload();
      life = batch.hello.life;
      net.member = batch.people.find((/** @type {any} */ one) => one.id === batch.hello.me).name;
    }
    store.take(batch);
    if (!store.open) {
      openFromAddress();
      // Where there is a keyboard: on a phone the focus would cover half the page with one.
      if (matchMedia("(hover: hover)").matches) composer.focus();
    }
    document.body.dataset.ready = "true";
  },
  (connected) => {
    store.connected = connected;
    store.emit("connection");
  },
);

window.addEventListener("popstate", openFromAddress);
window.addEventListener("hashchange", openFromAddress);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && store.seen());

let depth = 0;
const holdsFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
window.addEventListener("dragenter", (event) => holdsFile(event) && ((depth += 1), (drop.hidden = false)));
window.addEventListener("dragleave", (event) => holdsFile(event) && ((depth -= 1), (drop.hidden = depth > 0 ? drop.hidden : true)));
window.addEventListener("dragover", (event) => holdsFile(event) && event.preventDefault());
window.addEventListener("drop", (event) => {
  if (!holdsFile(event)) return;
  event.preventDefault();
  depth = 0;
  drop.hidden = true;
  const dropped = [...(event.dataTransfer?.files ?? [])];
  if (dropped.length && !forms.shown) composer.drop(dropped);
});

// Typing anywhere goes to the composer, as long as nothing else wants the key.
document.addEventListener("keydown", (event) => {
  const idle = document.activeElement === document.body || document.activeElement?.classList.contains("scroller");
  if (idle && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) composer.focus();
});

export { go, store, timeline };
