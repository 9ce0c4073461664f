// @ts-check
// A message's files: pictures to look at, others to download.

import { h, icon } from "./dom.js";
import { size } from "./time.js";

const PICTURE = /^image\/(png|jpeg|gif|webp|avif|bmp)$/;

/** @typedef {{id: string, name: string, size: number, type: string, url: string}} Attachment */

/** @param {Attachment} one */
export const isPicture = (one) => PICTURE.test(one.type);

/** A picture that a click enlarges. It keeps its element by its id: a fresh address for the same file must not load it again. @param {Attachment} one @param {string} [says] */
export function picture(one, says) {
  return h("button", { class: "picture", type: "button", "data-picture": one.id, "data-key": one.id, "aria-label": `Enlarge ${one.name}` },
    h("img", { src: one.url, alt: says || one.name, "data-key": one.id }));
}

/** @param {Attachment} one */
export function fileLink(one) {
  return h("a", { class: "file", href: one.url, download: one.name, "data-key": one.id }, icon("file"),
    h("span", {}, h("span", { class: "file-name" }, one.name), h("span", { class: "file-size" }, size(one.size))));
}
