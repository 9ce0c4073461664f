// @ts-check
// The page's way to the server: the event stream, and what a member does (the sandbox's control API).

/** What the server refused, with its sentence. */
export class Refused extends Error {}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused("The sandbox does not answer; is the demo still running?");
  }
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body.error ?? `the server said ${answer.status}`);
  return body;
}

/** @param {string} path @param {any} data */
const post = (path, data) =>
  call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });

/**
 * Send values of which some are files, or lists of them.
 * @param {string} path @param {any} data @param {string} name where the plain values go @param {Record<string, any>} values
 */
function upload(path, data, name, values) {
  const form = new FormData();
  const held = (/** @type {any} */ value) => [value].flat().filter((one) => one instanceof File);
  const plain = Object.fromEntries(Object.entries(values).filter(([, value]) => !held(value).length));
  form.append("payload_json", JSON.stringify({ ...data, [name]: plain }));
  for (const [key, value] of Object.entries(values)) {
    for (const file of held(value)) form.append(`files[${key}]`, file, file.name);
  }
  return call(path, { method: "POST", body: form });
}

export class Net {
  /** @param {string} member the name of who acts, "" for the first */
  constructor(member) {
    this.member = member;
    /** @type {EventSource|null} */
    this.source = null;
  }

  /**
   * Listen for batches; the browser reconnects by itself and says what it has seen.
   * @param {(batch: any) => void} onBatch
   * @param {(connected: boolean) => void} onState
   */
  listen(onBatch, onState) {
    this.source = new EventSource(`/page/stream?as=${encodeURIComponent(this.member)}`);
    this.source.onopen = () => onState(true);
    this.source.onerror = () => {
      onState(false);
      // A refused connection is not tried again by the browser.
      if (this.source?.readyState === EventSource.CLOSED) setTimeout(() => this.listen(onBatch, onState), 2000);
    };
    this.source.onmessage = (event) => onBatch(JSON.parse(event.data));
  }

  /** @param {string} channel @param {string} [before] */
  messages(channel, before) {
    const query = new URLSearchParams({ as: this.member, channel_id: channel, ...(before ? { before } : {}) });
    return call(`/page/messages?${query}`);
  }

  /** @param {string} name @returns {Promise<File>} */
  async sample(name) {
    const answer = await fetch(`/page/samples/${encodeURIComponent(name)}`);
    if (!answer.ok) throw new Refused(`there is no sample ${name}`);
    return new File([await answer.blob()], name);
  }

  /** @param {string} path */
  #at(path) {
    return `/sandbox/members/${encodeURIComponent(this.member)}/${path}`;
  }

  /** @param {string} channel @param {string} content */
  say(channel, content) {
    return post(this.#at("says"), { channel_id: channel, content });
  }

  /**
   * Send a command; files among the options are uploaded.
   * @param {string} channel @param {string} command @param {Record<string, any>} options
   */
  command(channel, command, options) {
    return upload(this.#at("commands"), { command, channel_id: channel }, "options", options);
  }

  /** The names of the commands for a message. @param {string} channel @param {string} message @returns {Promise<string[]>} */
  menu(channel, message) {
    return call(this.#at(`menu?${new URLSearchParams({ channel_id: channel, message_id: message })}`));
  }

  /** A command on a message. @param {string} channel @param {string} message @param {string} command */
  context(channel, message, command) {
    return post(this.#at("context"), { channel_id: channel, message_id: message, command });
  }

  /** Send the form that an interaction opened. @param {string} interaction @param {Record<string, any>} fields */
  submit(interaction, fields) {
    return upload(this.#at("modals"), { interaction_id: interaction }, "fields", fields);
  }

  /** @param {string} channel @param {string} command @param {string} focused @param {string} value @param {Record<string, any>} options */
  autocomplete(channel, command, focused, value, options) {
    return post(this.#at("autocomplete"), { channel_id: channel, command, focused, value, options });
  }

  /** @param {string} channel @param {string} message @param {string} custom @param {string[]} [values] */
  press(channel, message, custom, values) {
    return post(this.#at("presses"), { channel_id: channel, message_id: message, custom_id: custom, values });
  }

  /** @param {string} forum @param {string} title @param {string} text */
  postTo(forum, title, text) {
    return post(this.#at("posts"), { forum_id: forum, title, text });
  }
}
