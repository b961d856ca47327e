/** One room as this tab knows it: what was said, who is there, what is missing. Pure: no DOM, no socket. */

// An evening of reading back; beyond it the oldest go, so that a busy room cannot fill the tab.
const KEPT = 2000;
const TYPING_SHOWN = 4000;

export class Room {
  #seen = new Set();
  #floor = 0;
  #backlogTo = null;

  /** `readTo`: the last seq that was read before the page was loaded; null: nobody knows. */
  constructor(name, readTo = null) {
    Object.assign(this, { name, readTo, draft: "" });
    this.clear();
  }

  clear() {
    this.#seen.clear();
    this.#floor = 0;
    this.messages = [];
    this.members = new Map();
    this.typists = new Map();
    this.joined = false;
    // Invariant: between the first message and `last` nothing is missing. A seq says no more than what comes
    // after what; the server sends in order, so that what has come is all there is up to there.
    this.last = null;
    this.historyTo = null;
    this.#backlogTo = null;
    this.unread = 0;
    this.unreadFrom = null;
  }

  /** The server let us in; false if it has less than we do, so its history is another one than ours. */
  enter({ members, seq }) {
    if (this.last !== null && seq < this.last) return false;
    this.joined = true;
    // What was there when we first came in is no news, but for what came since an earlier visit.
    this.readTo = Math.min(this.readTo ?? seq, seq);
    this.historyTo ??= this.readTo;
    this.#backlogTo ??= seq;
    if (seq === 0) this.last = 0;
    this.members = new Map(members.map((user) => [user, "online"]));
    return true;
  }

  /** True if the message is news; false if we had it. */
  accept(message) {
    if (message.seq <= this.#floor || this.#seen.has(message.seq)) return false;
    this.#seen.add(message.seq);
    this.messages.splice(placeFor(message, this.messages), 0, message);
    this.typists.delete(message.user);
    this.last = Math.max(this.last ?? 0, message.seq);
    this.#trim();
    return true;
  }

  has(seq) { return seq <= this.#floor || this.#seen.has(seq); }

  /** All that was there when we came in has arrived. */
  get caughtUp() { return this.#backlogTo !== null && (this.last ?? 0) >= this.#backlogTo; }

  /** Of a room with fewer messages than a newcomer is sent, the first one is here. */
  beganHere(backlog) {
    return this.#floor === 0 && this.messages.filter(({ seq }) => seq <= (this.#backlogTo ?? 0)).length < backlog;
  }

  /** Everything that is here has been seen. */
  markRead() {
    this.readTo = this.messages.at(-1)?.seq ?? this.readTo;
    Object.assign(this, { unread: 0, unreadFrom: null });
  }

  countUnread(seq) {
    this.unread += 1;
    this.unreadFrom ??= seq;
  }

  presence(user, state) {
    this.members.set(user, state);
    if (state !== "online") this.typists.delete(user);
  }

  typing(user, now) { this.typists.set(user, now + TYPING_SHOWN); }

  typingNow(now) {
    return [...this.typists].filter(([, until]) => until > now).map(([user]) => user);
  }

  #trim() {
    while (this.messages.length > KEPT) {
      const { seq } = this.messages.shift();
      this.#seen.delete(seq);
      this.#floor = Math.max(this.#floor, seq);
    }
  }
}

function placeFor(message, messages) {
  let place = messages.length;
  while (place > 0 && messages[place - 1].seq > message.seq) place -= 1;
  return place;
}
