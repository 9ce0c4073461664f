// @ts-check
// Making and changing elements. Whatever people or programs wrote becomes a text node here and nothing else: no module
// of this page parses markup, and the page's policy would not let it.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. `on…` attributes are listeners, `true` is an empty attribute, null, false
 * and undefined leave it out; strings among the children become text.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...any} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SHAPES = {
  text: ["M9.5 4 7.5 20", "M16.5 4l-2 16", "M4.5 9h15.5", "M4 15h15.5"],
  news: ["M4 10v4h3l8 4.5v-13L7 10z", "M18.5 9.5a4 4 0 0 1 0 5", "M8 14.5V19h2.5v-3.2"],
  forum: ["M4 5h12v8H9l-3 3v-3H4z", "M19 9h1.5v7.5H19V19l-2.6-2.5H11"],
  voice: ["M5 10v4h3l5 4V6l-5 4z", "M16.5 9a4.5 4.5 0 0 1 0 6", "M19 6.5a8 8 0 0 1 0 11"],
  thread: ["M6 4v8a4 4 0 0 0 4 4h8", "M14.5 12.5 18 16l-3.5 3.5"],
  file: ["M7 3.5h7l4 4v13H7z", "M13.5 3.5v4.5H18"],
  eye: ["M3 12s3.3-6 9-6 9 6 9 6-3.3 6-9 6-9-6-9-6z", "M12 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z"],
  send: ["M4 12 20 4l-5 16-4-6.5z", "M11 13.5 20 4"],
  plus: ["M12 5v14", "M5 12h14"],
  close: ["M6 6l12 12", "M18 6 6 18"],
  menu: ["M4 7h16", "M4 12h16", "M4 17h16"],
  down: ["M12 5v14", "M6 13l6 6 6-6"],
  copy: ["M9 9h10v11H9z", "M15 9V4H5v11h4"],
  warn: ["M12 4 21 20H3z", "M12 10v5", "M12 17.2v.6"],
  more: ["M5.5 12h.01", "M12 12h.01", "M18.5 12h.01"],
  lock: ["M6 11h12v9H6z", "M8.5 11V8a3.5 3.5 0 0 1 7 0v3"],
  slash: ["M16 4 8 20"],
  bot: ["M12 12V6", "M12 12l6 4", "M12 12l-6 4", "M12 3.6a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z",
    "M18.8 15a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z", "M5.2 15a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z"],
};

/**
 * One of our line drawings.
 * @param {keyof typeof SHAPES} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  for (const shape of SHAPES[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}

/**
 * Make `old` look like `fresh` with as few changes as possible, so that a text that grows keeps its selection and its
 * scroll position, pictures are not loaded again and nothing flickers. Listeners stay those of `old` where a node is
 * kept: nodes with listeners must not depend on what changes. `fresh` is used up.
 * @param {Node} old
 * @param {Node} fresh
 * @returns {Node} what now stands in the place of `old`
 */
export function morph(old, fresh) {
  // Most of what is made anew is what stands there, and the browser sees that far sooner than this does.
  if (old.isEqualNode(fresh)) return old;
  const same = old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName;
  if (!same || key(old) !== key(fresh)) {
    old.parentNode?.replaceChild(fresh, old);
    return fresh;
  }
  if (old instanceof Text && fresh instanceof Text) {
    if (old.data !== fresh.data) {
      if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
      else old.data = fresh.data;
    }
    return old;
  }
  if (old instanceof Element && fresh instanceof Element) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) {
      // The same picture under a fresh address is still the same picture.
      const again = name === "src" && key(old) !== null;
      if (!again && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }
  const wanted = [...fresh.childNodes];
  const there = [...old.childNodes];
  wanted.forEach((child, index) => (there[index] ? morph(there[index], child) : old.appendChild(child)));
  for (const extra of there.slice(wanted.length)) extra.remove();
  return old;
}

/** Nodes of different keys are never turned into each other. @param {Node} node */
function key(node) {
  return node instanceof Element ? node.getAttribute("data-key") : null;
}

/** One of the eight tones for somebody, always the same for a name. @param {string} name */
function tone(name) {
  let mixed = 0x811c9dc5;
  for (const letter of name) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return (mixed >>> 13) % 8;
}

/**
 * A face: the first letter on a colour, or the mark of a bot.
 * @param {{id: string, name: string, bot?: boolean}} person
 */
export function avatar(person) {
  const shape = person.bot ? icon("bot") : [...person.name][0]?.toUpperCase() ?? "?";
  return h("span", { class: `avatar tone-${person.bot ? "bot" : tone(person.name)}`, "aria-hidden": "true" }, shape);
}
