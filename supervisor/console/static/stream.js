/** The live stream: opened, read, and opened again when it ends or falls silent. */

import { ApiError, FORBIDDEN, openStream } from "./api.js";

// Milliseconds. The server speaks every second; so long without a word it is gone, whatever the socket says.
const SILENCE = 5000;
const PAUSES = [500, 1000, 2000, 4000, 8000];

export class Stream {
  #abort = null;
  #retry = 0;
  #watch = 0;
  #heardAt = 0;
  #failures = 0;

  /** `on.message(event, data)` hears the stream; `on.state(state, {why, retryAt})` how it stands. */
  constructor(on) { this.on = on; }

  get isOpen() { return this.#abort !== null; }

  start() {
    this.stop();
    this.#abort = new AbortController();
    this.#heardAt = Date.now();
    this.#watch = setInterval(() => this.#checkSilence(), 1000);
    this.#run(this.#abort);
  }

  stop() {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    const abort = this.#abort;
    this.#abort = null;
    abort?.abort();
  }

  async #run(abort) {
    this.on.state("connecting", {});
    try {
      const { body } = await openStream(abort.signal);
      await read(body, (event, data) => abort === this.#abort && this.#hear(event, data));
      this.#failed(abort, "The server ended the connection.");
    } catch (error) {
      this.#failed(abort, error instanceof ApiError ? error.message : "The connection was cut off.", error.status);
    }
  }

  #hear(event, data) {
    this.#heardAt = Date.now();
    this.#failures = 0;
    this.on.message(event, JSON.parse(data));
  }

  #checkSilence() {
    if (Date.now() - this.#heardAt > SILENCE) this.#failed(this.#abort, "The server has fallen silent.");
  }

  #failed(abort, why, status = 0) {
    if (abort !== this.#abort) return; // it was stopped, or has failed before
    this.stop();
    if (status === FORBIDDEN) return this.on.state("refused", { why });
    const pause = PAUSES[Math.min(this.#failures++, PAUSES.length - 1)];
    this.#retry = setTimeout(() => this.start(), pause);
    this.on.state("lost", { why, retryAt: Date.now() + pause });
  }
}

/** Server-sent events, as far as ours go: an event's name, and its data. */
async function read(body, hear) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, { stream: true })).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) tell(block, hear);
  }
}

function tell(block, hear) {
  const fields = block.split(/\r?\n/).map((line) => /^([a-z]+): ?(.*)$/s.exec(line)).filter(Boolean);
  const data = fields.filter(([, name]) => name === "data").map(([, , text]) => text).join("\n");
  const event = fields.find(([, name]) => name === "event")?.[2] ?? "message";
  if (data) hear(event, data);
}
