// @ts-check
// Discord's markdown to a tree. Pure: text in, plain objects out; `render.js` makes elements of them.
//
// Nodes are strings, or objects with a `type` and, where they hold others, `children`. What is no markup stays text,
// so nothing a message says can get lost.

/** @typedef {string | {type: string, children?: Node[], [key: string]: any}} Node */

const CODE_BLOCK = /```(?:([a-z0-9_+\-.#]+)\n)?\n*([^\n][\s\S]*?)\n*```/gi;
const DEEPEST = 12;

/** @param {string} text @returns {Node[]} */
export function parse(text) {
  /** @type {Node[]} */
  const found = [];
  let end = 0;
  for (const match of text.matchAll(CODE_BLOCK)) {
    found.push(...blocks(text.slice(end, match.index).replace(/\n$/, "")));
    found.push({ type: "code-block", language: (match[1] ?? "").toLowerCase(), text: match[2] });
    end = match.index + match[0].length;
    if (text[end] === "\n") end += 1;
  }
  found.push(...blocks(text.slice(end)));
  return found;
}

const HEADING = /^(#{1,3}) +(.+)$/;
const SMALL = /^-# +(.+)$/;
const QUOTE = /^> (.*)$/;
const ITEM = /^( *)(?:[-*]|(\d{1,9})\.) +(.+)$/;

/** What stands in lines: quotes, headings, lists and paragraphs. @param {string} text @param {number} depth @returns {Node[]} */
function blocks(text, depth = 0) {
  if (!text.trim()) return [];
  /** @type {any[]} */
  const found = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    const last = found.at(-1);
    const [heading, small, quote, item] = [HEADING, SMALL, QUOTE, ITEM].map((rule) => line.match(rule));
    if (line.startsWith(">>> ") && depth === 0) {
      const rest = [line.slice(4), ...lines.slice(at + 1)].join("\n");
      return [...close(found), { type: "quote", children: blocks(rest, depth + 1) }];
    }
    if (quote && depth === 0) {
      if (last?.type === "quote") last.lines.push(quote[1]);
      else found.push({ type: "quote", lines: [quote[1]] });
    } else if (heading) found.push({ type: "heading", level: heading[1].length, children: inline(heading[2]) });
    else if (small) found.push({ type: "small", children: inline(small[1]) });
    else if (item) {
      const entry = { type: "item", level: Math.min(Math.floor(item[1].length / 2), 5), number: item[2] ?? null, children: inline(item[3]) };
      if (last?.type === "list") last.children.push(entry);
      else found.push({ type: "list", children: [entry] });
    } else if (last?.type === "paragraph") last.lines.push(line);
    else found.push({ type: "paragraph", lines: [line] });
  }
  return close(found);
}

/** Read the collected lines of paragraphs and quotes. @param {any[]} found @returns {Node[]} */
function close(found) {
  return found.map((one) => {
    if (!one.lines) return one;
    const text = one.lines.join("\n");
    return { type: one.type, children: one.type === "quote" ? blocks(text, 1) : inline(text) };
  });
}

/** @type {[RegExp, (match: RegExpMatchArray, depth: number) => Node][]} */
const RULES = [
  [/\\([^\w\s])/y, ([, letter]) => letter],
  [/(`+)([\s\S]*?[^`])\1(?!`)/y, ([, , text]) => ({ type: "code", text: text.replace(/^ (`.*`) $/s, "$1") })],
  [/<@!?(\d{1,20})>/y, ([, id]) => ({ type: "person", id })],
  [/<@&(\d{1,20})>/y, ([, id]) => ({ type: "role", id })],
  [/<#(\d{1,20})>/y, ([, id]) => ({ type: "channel", id })],
  [/<\/([-_'\w ]{1,100}):\d{1,20}>/y, ([, name]) => ({ type: "command", name })],
  [/<t:(-?\d{1,13})(?::([tTdDfFR]))?>/y, ([, seconds, style]) => ({ type: "time", seconds: Number(seconds), style: style ?? "f" })],
  [/<(https?:\/\/[^\s<>]+)>/y, ([, url]) => ({ type: "link", url, children: [url] })],
  [/\[([^\]\n]+)\]\(<?(https?:\/\/[^\s<>)]+)>?\)/y, ([, text, url], depth) => ({ type: "link", url, children: inline(text, depth + 1, true) })],
  [/https?:\/\/[^\s<]*[^\s<.,:;"')\]*_~|]/y, ([url]) => ({ type: "link", url, children: [url] })],
  [/\*\*\*(?=\S)([\s\S]+?)\*\*\*/y, ([, text], depth) => ({ type: "bold", children: [{ type: "italic", children: inline(text, depth + 1) }] })],
  [/\*\*(?=\S)([\s\S]+?)\*\*(?!\*)/y, ([, text], depth) => ({ type: "bold", children: inline(text, depth + 1) })],
  [/__(?=\S)([\s\S]+?)__(?!_)/y, ([, text], depth) => ({ type: "underline", children: inline(text, depth + 1) })],
  [/~~(?=\S)([\s\S]+?)~~/y, ([, text], depth) => ({ type: "strike", children: inline(text, depth + 1) })],
  [/\|\|([\s\S]+?)\|\|/y, ([, text], depth) => ({ type: "spoiler", children: inline(text, depth + 1) })],
  [/\*(?=[^\s*])([^*]*?[^\s*])\*(?!\*)/y, ([, text], depth) => ({ type: "italic", children: inline(text, depth + 1) })],
  [/(?<!\w)_(?=\S)([^_]*?\S)_(?!\w)/y, ([, text], depth) => ({ type: "italic", children: inline(text, depth + 1) })],
  [/@(everyone|here)\b/y, ([text]) => ({ type: "everyone", text })],
];
const PLAIN = /[^\\`<[h*_~|@]+|[\s\S]/y;
const MAY_BEGIN = /[\\`<[h*_~|@]/;

/** What stands within a line. @param {string} text @param {boolean} inLink @returns {Node[]} */
function inline(text, depth = 0, inLink = false) {
  if (depth > DEEPEST) return [text];
  /** @type {Node[]} */
  const found = [];
  const add = (/** @type {Node} */ node) => {
    const last = found.length - 1;
    if (typeof node === "string" && typeof found[last] === "string") found[last] += node;
    else found.push(node);
  };
  for (let at = 0; at < text.length; ) {
    const hit = MAY_BEGIN.test(text[at]) ? first(text, at, depth) : null;
    const usable = hit && !(inLink && typeof hit.node === "object" && hit.node.type === "link");
    PLAIN.lastIndex = at;
    const plain = PLAIN.exec(text)?.[0] ?? text[at];
    add(usable ? hit.node : plain);
    at += usable ? hit.length : plain.length;
  }
  return found;
}

/** The first rule that fits at a place. @param {string} text @param {number} at @param {number} depth */
function first(text, at, depth) {
  for (const [rule, make] of RULES) {
    rule.lastIndex = at;
    const match = rule.exec(text);
    if (match) return { node: make(match, depth), length: match[0].length };
  }
  return null;
}
