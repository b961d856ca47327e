/** A WebSocket that comes back by itself: hello, keep-alive, back-off. It moves frames and knows nothing of chat. */

import { AGAIN, ENDED, LOGIN, REFUSED, meaningOf } from "./closing.js";
import { Pace } from "./pace.js";

const BACKOFF_FLOOR = 500;
const BACKOFF_CEILING = 15_000;
// A link that fell sooner than this was no success: the back-off goes on growing.
const STEADY_AFTER = 5_000;
const PING_AFTER = 25_000;
const PONG_WITHIN = 10_000;
const OPEN_WITHIN = 10_000;
// Making room for us may cost the server a round of probes, so a welcome may take its time.
const WELCOME_WITHIN = 30_000;

const STATES = { [AGAIN]: "reconnecting", [REFUSED]: "refused", [ENDED]: "ended", [LOGIN]: "closed" };

/** Exponential with full jitter: many tabs that fell together must not come back together. */
export function backoff(attempt, random = Math.random) {
  const ceiling = Math.min(BACKOFF_CEILING, 2 * BACKOFF_FLOOR * 2 ** attempt);
  return BACKOFF_FLOOR + random() * (ceiling - BACKOFF_FLOOR);
}

export class Link {
  #socket = null;
  #attempt = 0;
  #onlineSince = null;
  #retryTimer = 0;
  #watchTimer = 0;
  #pace = new Pace();
  // Why we went offline: the failures of the attempts since then say less than what began it.
  #why = null;

  /** `hello()` gives the first frame; `onState(state, facts)` and `onFrame(frame)` hear of all that happens. */
  constructor({ url, hello, onState, onFrame }) {
    Object.assign(this, { url, hello, onState, onFrame, state: "closed" });
  }

  connect() {
    this.#abandon();
    this.#become("connecting");
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#pace = new Pace();
    this.#watch(OPEN_WITHIN, () => this.#lose({ reason: "The server does not answer." }));
    // Each handler asks whether its socket is still ours: an abandoned one may speak up much later.
    const ifOurs = (act) => (event) => socket === this.#socket && act(event);
    let opened = false;
    socket.onopen = ifOurs(() => {
      opened = true;
      this.#watch(WELCOME_WITHIN, () => this.#lose({ reason: "The server does not answer." }));
      socket.send(JSON.stringify({ type: "hello", ...this.hello() }));
    });
    socket.onmessage = ifOurs((event) => this.#hear(event.data));
    socket.onclose = ifOurs(({ code, reason }) => this.#lose({ code, reason, opened }));
  }

  /** False when there is nobody to send to; the caller keeps what must not get lost. */
  send(frame) {
    if (this.state !== "online") return false;
    this.#pace.count(performance.now());
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** As `send`, but also false when the server would find us too fast; then the caller asks again later. */
  sendInTime(frame) {
    return this.#pace.permits(performance.now()) && this.send(frame);
  }

  close() {
    this.#abandon();
    this.#why = null;
    this.#become("closed", { wanted: true });
  }

  /** No reason to wait any longer (the network is back, somebody looks at the tab again). */
  hurry() {
    if (this.state === "reconnecting") this.connect();
  }

  #hear(data) {
    const frame = parse(data);
    if (!frame) return;
    this.#listen();
    if (frame.type === "welcome") this.#welcomed();
    this.onFrame(frame);
  }

  #welcomed() {
    this.#onlineSince = performance.now();
    this.#why = null;
    this.#become("online");
    this.#listen();
  }

  #listen() {
    if (this.#onlineSince === null) return;
    this.#watch(PING_AFTER, () => {
      this.send({ type: "ping" });
      this.#watch(PONG_WITHIN, () => this.#lose({ reason: "The connection went silent." }));
    });
  }

  #lose({ code = null, reason = "", opened = true }) {
    const steady = this.#onlineSince !== null && performance.now() - this.#onlineSince > STEADY_AFTER;
    this.#abandon();
    const { fate, sentence, pause } = meaningOf({ code, reason, opened });
    // Silence says nothing new; a server that does say why is heard.
    this.#why = this.#why === null || fate !== AGAIN || (reason && code !== null) ? sentence : this.#why;
    const facts = { code, reason };
    if (fate === AGAIN) {
      this.#attempt = steady ? 0 : this.#attempt + 1;
      const delay = Math.max(backoff(this.#attempt), pause ?? 0);
      this.#retryTimer = setTimeout(() => this.connect(), delay);
      facts.retryAt = Date.now() + delay;
    }
    this.#become(STATES[fate], facts);
  }

  /** Let go of socket and timers at once: a dead peer would keep a close handshake waiting. */
  #abandon() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#onlineSince = null;
    socket?.close();
  }

  #watch(patience, act) {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(act, patience);
  }

  #become(state, facts = {}) {
    this.state = state;
    this.onState(state, { ...facts, why: this.#why });
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
