/** Own messages until the server says they are stored. Pure but for `onChange`, which may put them by. */

// More than anybody types while offline; enough to stop a stuck key.
const CAPACITY = 100;

export class Outbox {
  #entries = new Map();

  constructor({ restored = [], onChange = () => {} } = {}) {
    this.onChange = onChange;
    for (const entry of restored) this.#entries.set(entry.id, fresh(entry));
  }

  get full() { return this.#entries.size >= CAPACITY; }
  get(id) { return this.#entries.get(id); }

  add({ id, room, text, at }) {
    const entry = fresh({ id, room, text, at });
    this.#entries.set(id, entry);
    this.#changed();
    return entry;
  }

  remove(id) {
    this.#entries.delete(id);
    this.#changed();
  }

  acked(id, seq) {
    this.#mark(id, { state: "stored", seq });
  }

  failed(id, sentence) {
    this.#mark(id, { state: "failed", sentence });
  }

  /** Its message has come back from the server, which shows it from now on. */
  arrived(id) {
    this.#mark(id, { shown: true });
  }

  retry(id) {
    this.#mark(id, { state: "sending", sentence: undefined, sentOn: null });
  }

  inRoom(room) {
    return [...this.#entries.values()].filter((entry) => entry.room === room);
  }

  /** What this connection has not been told yet. */
  due(room, connection) {
    return this.inRoom(room).filter((entry) => entry.state === "sending" && entry.sentOn !== connection);
  }

  lastSent() {
    return [...this.#entries.values()].findLast((entry) => entry.state === "sending" && entry.sentOn !== null);
  }

  #mark(id, facts) {
    const entry = this.#entries.get(id);
    if (!entry) return;
    Object.assign(entry, facts);
    // Done means both: stored at the server, and shown from there.
    if (entry.shown && entry.state === "stored") this.#entries.delete(id);
    this.#changed();
  }

  #changed() {
    const unsent = [...this.#entries.values()].filter((entry) => entry.state === "sending");
    this.onChange(unsent.map(({ id, room, text, at }) => ({ id, room, text, at })));
  }
}

function fresh({ id, room, text, at }) {
  return { id, room, text, at, state: "sending", shown: false, sentOn: null };
}
