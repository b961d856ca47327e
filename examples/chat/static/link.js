/** A WebSocket that comes back by itself: hello, keep-alive, back-off. It moves frames and knows nothing of chat. */

const BACKOFF_FLOOR = 500;
const BACKOFF_CEILING = 15_000;
// A link that fell sooner than this was no success: the back-off goes on growing.
const STEADY_AFTER = 5_000;
const PING_AFTER = 25_000;
const PONG_WITHIN = 10_000;
// Making room for us may cost the server a round of probes, so a welcome may take its time.
const WELCOME_WITHIN = 30_000;

// What becomes of the link after a close code; every other code means: come back later.
const FATES = { 1008: "closed", 1013: "refused" };

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

  /** `hello()` gives the first frame; `onState(state, facts)` and `onFrame(frame)` hear of all that happens. */
  constructor({ url, hello, onState, onFrame }) {
    Object.assign(this, { url, hello, onState, onFrame, state: "closed" });
  }

  connect() {
    this.#abandon();
    this.#become("connecting");
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    this.#watch(WELCOME_WITHIN, () => this.#lose({ reason: "the server did not answer" }));
    // Each handler asks whether its socket is still ours: an abandoned one may speak up much later.
    const ifOurs = (act) => (event) => socket === this.#socket && act(event);
    socket.onopen = ifOurs(() => socket.send(JSON.stringify({ type: "hello", ...this.hello() })));
    socket.onmessage = ifOurs((event) => this.#hear(event.data));
    socket.onclose = ifOurs((event) => this.#lose({ code: event.code, reason: event.reason }));
  }

  /** False when there is nobody to send to; the caller keeps what must not get lost. */
  send(frame) {
    if (this.state !== "online") return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  close() {
    this.#abandon();
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
    this.#become("online");
    this.#listen();
  }

  #listen() {
    if (this.#onlineSince === null) return;
    this.#watch(PING_AFTER, () => {
      this.send({ type: "ping" });
      this.#watch(PONG_WITHIN, () => this.#lose({ reason: "the connection went silent" }));
    });
  }

  #lose({ code = null, reason = "" }) {
    const steady = this.#onlineSince !== null && performance.now() - this.#onlineSince > STEADY_AFTER;
    this.#abandon();
    const fate = FATES[code];
    if (fate) return this.#become(fate, { code, reason });
    this.#attempt = steady ? 0 : this.#attempt + 1;
    const delay = backoff(this.#attempt);
    this.#retryTimer = setTimeout(() => this.connect(), delay);
    this.#become("reconnecting", { code, reason, retryAt: Date.now() + delay });
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
    this.onState(state, facts);
  }
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
