// @ts-check
// What the page knows: the one place that the stream writes to and every part of the page reads. No elements here.

/**
 * @typedef {{id: string, name: string, type: number, parent_id: string|null, position: number, archived: boolean,
 *   writable: boolean, messages: number, newest: string|null}} Place
 * @typedef {{id: string, name: string, bot: boolean, acting: boolean, admin: boolean, online: boolean}} Person
 * @typedef {{name: string, description: string, options: any[], places: string[]}} Command
 * @typedef {{stamp: number, id: string, channel_id: string, author_id: string, author: string, bot: boolean,
 *   time: number, edited: number|null, type: number, content: string, embeds: any[], components: any[],
 *   layout: boolean, attachments: any[], private: boolean, loading: boolean, failed: string|null, thread_id: string|null,
 *   mentions: string[], everyone: boolean, command: {name: string, by: string}|null, quoted: any}} Message
 * @typedef {{id: string, kind: string, state: string, failed: string|null, time: number, channel_id: string,
 *   command: string|null, source_id: string|null, modal: any}} Interaction
 * @typedef {{messages: Map<string, Message>, asked: boolean, loaded: boolean, more: boolean}} Room
 */

export const KIND = { TEXT: 0, DIRECT: 1, VOICE: 2, NEWS: 5, NEWS_THREAD: 10, THREAD: 11, PRIVATE_THREAD: 12, FORUM: 15 };

/** Snowflakes outgrow numbers, so they are compared as text. @param {string} a @param {string} b */
export const byId = (a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

export class Store {
  constructor() {
    /** @type {any} */
    this.hello = null;
    this.connected = false;
    /** @type {Map<string, Place>} */
    this.places = new Map();
    /** @type {Map<string, Person>} */
    this.people = new Map();
    /** @type {Map<string, {id: string, name: string}>} */
    this.roles = new Map();
    /** @type {Command[]} those offered anywhere; `commands` are those of the open place */
    this.offered = [];
    /** @type {Map<string, Interaction>} */
    this.interactions = new Map();
    /** @type {Map<string, Room>} */
    this.rooms = new Map();
    /** @type {Map<string, {count: number, mention: boolean}>} */
    this.unread = new Map();
    /** @type {Map<string, {id: string, custom: string}>} message id -> the press that is under way there */
    this.presses = new Map();
    /** @type {Set<string>} what was begun in this window and may still open a form here */
    this.mine = new Set();
    this.dismissed = new Set(JSON.parse(sessionStorage.getItem("dismissed") ?? "[]"));
    /** @type {string|null} */
    this.open = null;
    /** @type {Map<string, Set<Function>>} */
    this.listeners = new Map();
  }

  /** Hear of a topic: places, people, commands, interactions, unread, connection, open, messages. @param {string} topic @param {Function} listener */
  on(topic, listener) {
    this.listeners.set(topic, (this.listeners.get(topic) ?? new Set()).add(listener));
  }

  /** @param {string} topic @param {any} [detail] */
  emit(topic, detail) {
    for (const listener of this.listeners.get(topic) ?? []) listener(detail);
  }

  get me() {
    return this.people.get(this.hello?.me);
  }

  /** @returns {Place|undefined} */
  get place() {
    return this.open ? this.places.get(this.open) : undefined;
  }

  /** The commands one may type in the open place. */
  get commands() {
    const kind = this.place?.type === KIND.DIRECT ? "dm" : "guild";
    return this.offered.filter((one) => one.places.includes(kind));
  }

  /** @param {string} channel @returns {Room} */
  room(channel) {
    let room = this.rooms.get(channel);
    if (!room) this.rooms.set(channel, (room = { messages: new Map(), asked: false, loaded: false, more: false }));
    return room;
  }

  /** The messages of a channel that are not dismissed, oldest first. @param {string} channel */
  listed(channel) {
    const all = [...this.room(channel).messages.values()];
    return all.filter((one) => !this.dismissed.has(one.id)).sort((a, b) => byId(a.id, b.id));
  }

  /** Take one batch of the stream. @param {any} batch */
  take(batch) {
    if (batch.hello) this.hello = batch.hello;
    for (const place of batch.places ?? []) this.places.set(place.id, place);
    if (batch.people) this.people = new Map(batch.people.map((/** @type {Person} */ one) => [one.id, one]));
    if (batch.roles) this.roles = new Map(batch.roles.map((/** @type {{id: string, name: string}} */ one) => [one.id, one]));
    if (batch.commands) this.offered = batch.commands;
    const settled = (batch.interactions ?? []).map((/** @type {Interaction} */ one) => this.#follow(one, Boolean(batch.hello))).some(Boolean);
    const changed = (batch.messages ?? []).filter((/** @type {Message} */ one) => this.#keep(one, true));
    const gone = (batch.gone ?? []).filter((/** @type {any} */ one) => this.rooms.get(one.channel_id)?.messages.delete(one.id));
    for (const topic of ["places", "people", "commands"]) if (batch[topic]) this.emit(topic, batch[topic]);
    if (changed.length || gone.length) this.emit("messages", { changed, gone });
    if (settled) this.emit("interactions");
  }

  /** Take a part of a channel's past. @param {string} channel @param {{messages: Message[], more: boolean}} answer */
  takeHistory(channel, answer) {
    const room = this.room(channel);
    room.loaded = true;
    room.more = answer.more;
    const changed = answer.messages.filter((one) => this.#keep(one, false));
    this.emit("messages", { changed, gone: [], history: channel });
  }

  /** @param {Message} message @param {boolean} live */
  #keep(message, live) {
    const room = this.room(message.channel_id);
    const known = room.messages.get(message.id);
    if (known && known.stamp >= message.stamp) return false;
    if (!known && live) this.#count(message);
    // What was not opened yet will be read as a whole when it is; what comes during that may be missing in it.
    if (!room.asked && live) return false;
    room.messages.set(message.id, message);
    return true;
  }

  /** @param {Message} message */
  #count(message) {
    const seen = message.channel_id === this.open && document.visibilityState === "visible";
    const old = message.edited !== null || message.author_id === this.hello?.me || message.type === 21;
    if (seen || old) return;
    const before = this.unread.get(message.channel_id) ?? { count: 0, mention: false };
    const mention = message.everyone || message.mentions.includes(this.hello?.me);
    this.unread.set(message.channel_id, { count: before.count + 1, mention: before.mention || mention });
    this.emit("unread");
  }

  /** Something was begun in this window: follow it, also if the stream has told its end already. @param {any} opened @param {string} kind */
  begun(opened, kind) {
    this.mine.add(opened.id);
    if (!this.interactions.has(opened.id)) this.interactions.set(opened.id, { ...opened, kind });
    this.emit("interactions");
  }

  /** @param {Interaction} interaction @param {boolean} past whether it may be from before this page was opened */
  #follow(interaction, past) {
    // Of the past, only what is still under way is of interest.
    if (past && interaction.state !== "waiting" && !this.interactions.has(interaction.id)) return false;
    this.interactions.set(interaction.id, interaction);
    return true;
  }

  /** Look at a channel. @param {string} channel */
  show(channel) {
    this.open = channel;
    this.seen();
    this.emit("open");
  }

  /** What is open has been read. */
  seen() {
    if (this.open && this.unread.delete(this.open)) this.emit("unread");
  }

  /** Take away a private message or a note, for this window alone. @param {string} id @param {string} channel */
  dismiss(id, channel) {
    this.dismissed.add(id);
    sessionStorage.setItem("dismissed", JSON.stringify([...this.dismissed].slice(-500)));
    this.interactions.delete(id);
    this.emit("messages", { changed: [], gone: [{ channel_id: channel, id }] });
    this.emit("interactions");
  }
}
