// @ts-check
// What a select menu offers: its own options, or the people, roles and places there are.

import { KIND } from "./store.js";

const TYPE = { STRINGS: 3, USERS: 5, ROLES: 6, MENTIONABLE: 7, CHANNELS: 8 };

/** @typedef {{label: string, value: string, description?: string, default?: boolean, emoji?: {name: string}}} Offer */

/** The choices of a select menu, null for what is none. @param {any} part @param {import("./store.js").Store} store @returns {Offer[]|null} */
export function offered(part, store) {
  if (part.type === TYPE.STRINGS) return part.options ?? [];
  const preset = new Set((part.default_values ?? []).map((/** @type {any} */ one) => String(one.id)));
  const offer = (/** @type {string} */ label, /** @type {string} */ value) => ({ label, value, default: preset.has(value) });
  if (part.type === TYPE.USERS || part.type === TYPE.MENTIONABLE) return people(store).map((one) => offer(`@${one.name}`, one.id));
  if (part.type === TYPE.CHANNELS) return places(part.channel_types, store).map((one) => offer(`#${one.name}`, one.id));
  return part.type === TYPE.ROLES ? roles(store).map((one) => offer(`@${one.name}`, one.id)) : null;
}

/** The roles one may name. @param {import("./store.js").Store} store */
export function roles(store) {
  return [...store.roles.values()];
}

/** Those one may name: members that act here, and the bot. @param {import("./store.js").Store} store */
export function people(store) {
  return [...store.people.values()].filter((one) => one.acting || one.bot);
}

/** Channels and threads of some kinds; without any named, all but forums and conversations. @param {number[]|undefined} kinds @param {import("./store.js").Store} store */
export function places(kinds, store) {
  const usual = (/** @type {import("./store.js").Place} */ one) => one.type !== KIND.FORUM && one.type !== KIND.DIRECT;
  return [...store.places.values()].filter((one) => (kinds?.length ? kinds.includes(one.type) : usual(one)));
}
