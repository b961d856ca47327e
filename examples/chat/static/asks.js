/** What was asked of the assistant, and how far it has got. Pure. */

export const AGENT_EVENTS = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"];

// Old cards go first; nobody scrolls back through more.
const KEPT = 100;

export class Asks {
  #cards = new Map();

  get(id) { return this.#cards.get(id); }
  inRoom(room) { return [...this.#cards.values()].filter((card) => card.room === room); }
  unfinished() { return [...this.#cards.values()].filter((card) => card.state === "waiting" || card.state === "running"); }

  /** `afterSeq` is the message under which the card stands. */
  add({ id, room, afterSeq, text, sentOn = null }) {
    const card = { id, room, afterSeq, text, sentOn, state: "waiting", run: 0, steps: [], error: null };
    this.#cards.set(id, card);
    if (this.#cards.size > KEPT) this.#cards.delete(this.#cards.keys().next().value);
    return card;
  }

  hear(event) {
    const card = this.#cards.get(event.id);
    if (event.type === "agent_started" && card.steps.length > 0 && !known(card, event)) restart(card);
    if (known(card, event)) return;
    card.steps.push(event);
    card.text ||= event.query ?? "";
    card.state = event.type === "agent_completed" ? "done" : "running";
    card.error = null;
  }

  fail(id, sentence) {
    const card = this.#cards.get(id);
    if (card) Object.assign(card, { state: "failed", error: sentence });
  }
}

const known = (card, event) =>
  card.steps.some((step) => step.type === event.type && step.timestamp === event.timestamp);

/** The same question was asked again after a lost connection: the new run replaces the old one. */
function restart(card) {
  card.steps = [];
  card.run += 1;
}
