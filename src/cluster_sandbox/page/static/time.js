// @ts-check
// Times as people say them, and the clock that keeps "3 seconds ago" true on the page.

import { h } from "./dom.js";

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["year", 31_557_600], ["month", 2_629_800], ["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "3 minutes ago". @param {number} seconds unix time */
export function ago(seconds) {
  const distance = seconds - Date.now() / 1000;
  const [unit, size] = UNITS.find(([, one]) => Math.abs(distance) >= one) ?? ["second", 1];
  return relative.format(Math.round(distance / size), unit);
}

/** Hours and minutes. @param {number} seconds */
export const hours = (seconds) => clock.format(seconds * 1000);

/** The date in full. @param {number} seconds */
export const date = (seconds) => day.format(seconds * 1000);

/** The same calendar day? @param {number} a @param {number} b */
export const sameDay = (a, b) => new Date(a * 1000).toDateString() === new Date(b * 1000).toDateString();

/**
 * What `<t:123:R>` shows.
 * @param {number} seconds
 * @param {string} style one of t T d D f F R
 */
export function timestamp(seconds, style) {
  const instant = new Date(seconds * 1000);
  if (Number.isNaN(instant.getTime())) return h("span", {}, `<t:${seconds}>`);
  const full = new Intl.DateTimeFormat(undefined, STYLES.F).format(instant);
  const text = style === "R" ? ago(seconds) : new Intl.DateTimeFormat(undefined, STYLES[style] ?? STYLES.f).format(instant);
  const ticking = style === "R" ? { "data-ticks": seconds } : {};
  return h("time", { datetime: instant.toISOString(), title: full, class: "stamp", ...ticking }, text);
}

/** Keep every "… ago" on the page true; called once. */
export function tick() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time[data-ticks]")) {
      const text = ago(Number(element.getAttribute("data-ticks")));
      if (element.textContent !== text) element.textContent = text;
    }
  }, 1000);
}

/** A number of bytes as people say it. @param {number} bytes */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
