/** The chat protocol: frames in, frames out, and what this tab knows because of them. No DOM. */

import { AGENT_EVENTS, Asks } from "./asks.js";
import { randomId } from "./identity.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { Room } from "./room.js";
import { timeline } from "./timeline.js";

const TYPING_EVERY = 2000;
const FLUSH_AGAIN_AFTER = 300;

export class Chat {
  #handlers = {
    welcome: (frame) => this.#welcome(frame),
    joined: (frame) => this.#joined(frame),
    message: (frame) => this.#message(frame),
    ack: (frame) => this.#ack(frame),
    presence: (frame) => this.rooms.get(frame.room)?.presence(frame.user, frame.state),
    typing: (frame) => frame.user !== this.user && this.rooms.get(frame.room)?.typing(frame.user, Date.now()),
    error: (frame) => this.#error(frame),
    ...Object.fromEntries(AGENT_EVENTS.map((type) => [type, (frame) => this.#agent(frame)])),
  };
  // Counts welcomes: what was sent over an older connection may have got lost with it.
  #connection = 0;
  #typedAt = 0;
  #flushTimer = 0;

  /** `ears`: onChange(), onState(state, facts), onNotice(sentence), onRooms(names), onUnsent(entries). */
  constructor({ url, identity, attended, ears }) {
    Object.assign(this, { identity, attended, ears, user: identity.user });
    this.rooms = new Map();
    this.active = null;
    this.newFrom = null;
    this.asks = new Asks();
    this.outbox = new Outbox({ restored: identity.unsent, onChange: ears.onUnsent });
    this.sessions = { count: 0, limit: null };
    this.link = new Link({
      url,
      hello: () => ({ token: identity.token, session: identity.session }),
      onState: (state, facts) => this.#state(state, facts),
      onFrame: (frame) => this.#hear(frame),
    });
  }

  // What people do.

  join(name) {
    if (!this.rooms.has(name)) {
      this.rooms.set(name, new Room(name, this.identity.read[name] ?? null));
      this.#requestJoin(this.rooms.get(name));
      this.#roomsChanged();
    }
    this.look(name);
  }

  leave(name) {
    this.rooms.delete(name);
    this.link.send({ type: "leave", room: name });
    this.#roomsChanged();
    this.look(this.active === name ? (this.rooms.keys().next().value ?? null) : this.active);
  }

  look(name) {
    const room = this.rooms.get(name);
    if (name !== this.active) this.newFrom = room?.unreadFrom ?? null;
    this.active = room ? name : null;
    this.attend();
  }

  /** Somebody sees the active room now: nothing in it is unread any more. */
  attend() {
    const room = this.room;
    if (room && this.attended()) {
      if (room.unread > 0) this.newFrom = room.unreadFrom;
      room.markRead();
    }
    this.ears.onChange();
  }

  say(text) {
    this.outbox.add({ id: randomId(), room: this.active, text, at: Date.now() / 1000 });
    this.newFrom = null;
    this.#flush();
    this.ears.onChange();
  }

  ask(text) {
    const afterSeq = this.room.messages.at(-1)?.seq ?? 0;
    const card = this.asks.add({ id: randomId(), room: this.active, afterSeq, text });
    this.#sendAsk(card);
    this.ears.onChange();
  }

  typing() {
    if (Date.now() - this.#typedAt < TYPING_EVERY) return;
    if (this.link.sendInTime({ type: "typing", room: this.active })) this.#typedAt = Date.now();
  }

  retry(id) {
    this.outbox.retry(id);
    this.#flush();
    this.ears.onChange();
  }

  discard(id) {
    this.outbox.remove(id);
    this.ears.onChange();
  }

  // What the page shows.

  get room() { return this.rooms.get(this.active) ?? null; }

  get unread() { return [...this.rooms.values()].reduce((sum, room) => sum + room.unread, 0); }

  timeline() {
    const { room, user, newFrom } = this;
    return timeline({ room, user, newFrom, entries: this.outbox.inRoom(room.name), cards: this.asks.inRoom(room.name) });
  }

  /** By room: up to which seq it was read. */
  get read() {
    return Object.fromEntries([...this.rooms.values()].filter((room) => room.readTo !== null).map((room) => [room.name, room.readTo]));
  }

  // What the server says.

  #hear(frame) {
    // A type of a later version is no reason to fall.
    if (!Object.hasOwn(this.#handlers, frame.type)) return;
    this.#handlers[frame.type](frame);
    this.ears.onChange();
  }

  #welcome({ limit, sessions, resumed }) {
    this.#connection += 1;
    this.sessions = { count: sessions?.length ?? 0, limit };
    for (const room of this.rooms.values()) this.#requestJoin(room);
    for (const card of this.asks.unfinished()) {
      // A resumed manager goes on with what it has begun; a new one has never heard of it.
      if (!resumed || card.state === "waiting") this.#sendAsk(card);
    }
  }

  #joined(frame) {
    const room = this.rooms.get(frame.room);
    if (!room) return;
    if (!room.enter(frame)) {
      room.clear();
      return this.#requestJoin(room);
    }
    this.#flush();
  }

  /** What waits goes out in its order, no faster than the server likes it. */
  #flush() {
    clearTimeout(this.#flushTimer);
    for (const room of this.rooms.values()) {
      if (!room.joined) continue;
      const due = this.outbox.due(room.name, this.#connection);
      if (!due.every((entry) => this.#sendEntry(entry))) this.#flushTimer = setTimeout(() => this.#flush(), FLUSH_AGAIN_AFTER);
    }
  }

  #message({ type, ...message }) {
    const room = this.rooms.get(message.room);
    if (!room?.accept(message)) return;
    if (message.user === this.user) this.outbox.arrived(message.id);
    else if (message.seq > (room.historyTo ?? 0) && !this.#seen(room)) room.countUnread(message.seq);
    if (this.#seen(room)) room.markRead();
  }

  #seen(room) { return room.name === this.active && this.attended(); }

  #ack({ id, room, seq }) {
    this.outbox.acked(id, seq);
    if (this.rooms.get(room)?.has(seq)) this.outbox.arrived(id);
  }

  #agent(event) {
    if (!this.asks.get(event.id)) {
      // Asked before a reload, or in another tab of this session: it still deserves its card.
      if (!this.room) return;
      this.asks.add({ id: event.id, room: this.active, afterSeq: this.room.messages.at(-1)?.seq ?? 0, text: event.query });
    }
    this.asks.hear(event);
  }

  #error({ id, message, code }) {
    const sentence = message || `The server said no (${code}).`;
    if (this.outbox.get(id)) this.outbox.failed(id, sentence);
    else if (this.asks.get(id)) this.asks.fail(id, sentence);
    else this.ears.onNotice(sentence);
  }

  // What we tell the server.

  #requestJoin(room) {
    room.joined = false;
    this.link.send(room.last === null ? { type: "join", room: room.name } : { type: "join", room: room.name, since: room.last });
  }

  #sendEntry(entry) {
    const { room, text, id } = entry;
    const sent = this.link.sendInTime({ type: "say", room, text, id });
    if (sent) entry.sentOn = this.#connection;
    return sent;
  }

  #sendAsk(card) {
    if (this.link.send({ type: "ask", text: card.text, id: card.id })) card.sentOn = this.#connection;
  }

  #state(state, facts) {
    if (state !== "online") for (const room of this.rooms.values()) room.joined = false;
    if (facts.code === 1009) this.#tooBig();
    this.ears.onState(state, facts);
  }

  /** Sent again it would cost us the connection again, for ever. */
  #tooBig() {
    const message = this.outbox.lastSent();
    const question = this.asks.unfinished().findLast((card) => card.state === "waiting");
    if (message) this.outbox.failed(message.id, "Too big for the server.");
    else if (question) this.asks.fail(question.id, "Too big for the server.");
    this.ears.onNotice("That message was too big for the server, so it closed the connection. Please make it shorter.");
  }

  #roomsChanged() { this.ears.onRooms([...this.rooms.keys()]); }
}
