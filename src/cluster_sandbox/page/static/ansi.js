// @ts-check
// Terminal colours in ```ansi blocks: text to runs of one look. Pure. Knows what Discord shows: bold, underline, and
// the eight colours for text and ground; every other escape is left out.

/** @typedef {{text: string, look: string}} Run */

const ESCAPE = /\u001b\[([0-9;]*)m|\u001b\[[0-9;?]*[A-Za-z]/g;

/** @param {string} text @returns {Run[]} */
export function runs(text) {
  /** @type {Run[]} */
  const found = [];
  let look = new Look();
  let end = 0;
  const add = (/** @type {string} */ part) => part && found.push({ text: part, look: look.classes() });
  for (const match of text.matchAll(ESCAPE)) {
    add(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[1] === undefined) continue;
    for (const code of (match[1] || "0").split(";").map(Number)) look = look.after(code);
  }
  add(text.slice(end));
  return found;
}

class Look {
  /** @param {Record<string, any>} [parts] */
  constructor(parts = {}) {
    this.parts = parts;
  }

  /** @param {number} code @returns {Look} */
  after(code) {
    if (code === 0) return new Look();
    if (code === 1) return this.#with("bold", true);
    if (code === 4) return this.#with("underline", true);
    if (code === 22) return this.#with("bold", false);
    if (code === 24) return this.#with("underline", false);
    if (code === 39) return this.#with("text", null);
    if (code === 49) return this.#with("ground", null);
    if (code >= 30 && code <= 37) return this.#with("text", code - 30);
    if (code >= 90 && code <= 97) return this.#with("text", code - 90);
    if (code >= 40 && code <= 47) return this.#with("ground", code - 40);
    return this;
  }

  /** @param {string} part @param {any} value */
  #with(part, value) {
    return new Look({ ...this.parts, [part]: value });
  }

  classes() {
    const { bold, underline, text, ground } = this.parts;
    const number = (/** @type {any} */ value) => value !== undefined && value !== null;
    return [
      bold && "ansi-bold",
      underline && "ansi-underline",
      number(text) && `ansi-text-${text}`,
      number(ground) && `ansi-ground-${ground}`,
    ]
      .filter(Boolean)
      .join(" ");
  }
}
