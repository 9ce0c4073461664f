// @ts-check
// A form that the bot opened (Discord calls it a modal) as a dialog over the page: shown to who caused it, sent as one,
// and kept with all that was typed until the bot has taken it.

import { avatar, h, icon } from "./dom.js";
import { controls } from "./form_fields.js";

/** @typedef {import("./store.js").Interaction} Interaction */

export class Forms {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./net.js").Net} net
   * @param {() => void} left called when a form is gone and nothing else has the focus
   */
  constructor(store, net, left) {
    this.store = store;
    this.net = net;
    this.left = left;
    /** @type {FormDialog|null} */
    this.shown = null;
    store.on("interactions", () => this.#look());
  }

  /** Open the form of something done in this window; tell the open one what became of it. */
  #look() {
    const { store } = this;
    for (const id of [...store.mine]) {
      const opened = store.interactions.get(id);
      if (!opened || opened.state === "waiting") continue;
      store.mine.delete(id);
      if (!opened.modal) continue;
      this.shown?.close();
      this.shown = new FormDialog(opened, this);
    }
    this.shown?.look();
  }
}

class FormDialog {
  /** @param {Interaction} opened @param {Forms} forms */
  constructor(opened, forms) {
    this.opened = opened;
    this.forms = forms;
    this.sending = false;
    this.tried = false;
    /** @type {string|null} the interaction that the form was sent with */
    this.sent = null;
    const { store } = forms;
    const bot = store.people.get(store.hello?.bot_id);
    this.fields = controls(opened.modal.components ?? [], { store, changed: () => this.#mark() });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.submit = h("button", { class: "button primary", type: "submit" }, h("span", { class: "label" }, "Submit"));
    const cancel = h("button", { class: "button secondary", type: "button", onclick: () => this.close() }, "Cancel");
    const close = h("button", { class: "leave", type: "button", "aria-label": "Close the form", title: "Close (Esc)", onclick: () => this.close() }, icon("close"));
    const form = h("form", { novalidate: true, onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), this.send()) },
      h("header", {}, bot && avatar(bot), h("h2", { id: "form-title" }, opened.modal.title), close),
      h("div", { class: "form-body" }, this.fields.map((one) => one.element)),
      h("p", { class: "form-note" }, `What you write here goes to ${bot?.name ?? "the application"}.`), this.problem,
      h("footer", {}, cancel, this.submit));
    this.dialog = h("dialog", { class: "form-dialog", "aria-labelledby": "form-title", onclose: () => this.#closed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) }, form);
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.fields.find((one) => one.input)?.input.focus();
  }

  close() {
    this.dialog.close();
    this.#closed();
  }

  /** The browser says so too, later, and alone where one left with Escape. */
  #closed() {
    if (!this.dialog.isConnected) return;
    this.dialog.remove();
    if (this.forms.shown === this) this.forms.shown = null;
    // The dialog gives the focus back to where it was, but what was there may be gone since; and Chromium gives it
    // without the cursor, so that a text field would take no letters until it is focused anew.
    const before = /** @type {HTMLElement} */ (document.activeElement);
    if (before === document.body) return this.forms.left();
    before.blur();
    before.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send();
  }

  /** Say what is wrong: what is too long or too short at once, what is missing only after sending was tried. */
  #mark() {
    const wrong = this.fields.map((one) => ({ one, ...one.problem() })).filter(({ says }) => says);
    const said = wrong.filter(({ early }) => early || this.tried);
    for (const one of this.fields) one.mark(said.some((found) => found.one === one));
    this.problem.textContent = said.map(({ one, says }) => `${one.label} ${says}.`).join(" ");
    return wrong;
  }

  async send() {
    if (this.sending) return;
    this.tried = true;
    const [wrong] = this.#mark();
    if (wrong) return wrong.one.input.focus();
    this.#busy(true);
    try {
      const fields = Object.fromEntries(this.fields.filter((one) => one.id).map((one) => [one.id, one.value()]));
      const answer = await this.forms.net.submit(this.opened.id, fields);
      this.sent = answer.id;
      this.forms.store.begun(answer, "modal");
    } catch (error) {
      this.#busy(false);
      this.problem.textContent = /** @type {Error} */ (error).message;
    }
  }

  /** What became of it: gone once the bot has taken it, still there with everything in it when it did not. */
  look() {
    const sent = this.sent && this.forms.store.interactions.get(this.sent);
    if (!sent || sent.state === "waiting") return;
    if (sent.state !== "failed") return this.close();
    this.sent = null;
    this.#busy(false);
    this.problem.textContent = `${sent.failed}; nothing you wrote is lost, so you can submit it again.`;
  }

  /** @param {boolean} sending */
  #busy(sending) {
    this.sending = sending;
    this.submit.classList.toggle("waiting", sending);
    // Not disabled: it would lose the focus, and with it the keyboard's place in the form.
    for (const name of ["aria-busy", "aria-disabled"]) this.submit.setAttribute(name, String(sending));
  }
}
