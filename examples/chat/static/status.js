/** How the connection stands: the pill, the strip which says why and what next, and what happened so far. */

import { byId, el, setAttribute, setText } from "./dom.js";
import { clockSeconds, fullTime } from "./format.js";

// Enough for "it has been coming and going all afternoon".
const KEPT = 30;

const PILL = {
  online: () => "Online",
  connecting: () => "Connecting…",
  reconnecting: ({ retryAt }) => `Reconnecting in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1000))} s`,
  refused: () => "Refused",
  ended: () => "Offline",
  closed: () => "Closed",
};

// What follows the reason, and the button's word. A state without a row has no strip.
const NEXT = {
  reconnecting: ["What you write waits here and goes out by itself.", "Try now"],
  refused: ["No slot was free for this tab. It tries again by itself.", "Show why"],
  ended: ["This tab does not come back by itself.", "Start again"],
};

export class Status {
  #pill = byId("connection");
  #strip = byId("offline");
  #log = byId("connection-log");
  #link = { state: "closed", why: null };
  #lines = [];
  #wasOnline = false;

  /** `onPress(state)`: somebody pressed the strip's button. */
  constructor({ onPress }) {
    byId("retry-now").addEventListener("click", () => onPress(this.#link.state));
    this.#log.addEventListener("beforetoggle", (event) => event.newState === "open" && this.#place());
  }

  get online() { return this.#link.state === "online"; }

  show(state, facts) {
    const before = this.#link;
    this.#link = { state, ...facts };
    if (state === "online") this.#note(this.#wasOnline ? "Online again." : "Online.");
    else if (facts.why && facts.why !== before.why) this.#note(facts.why);
    this.#wasOnline ||= state === "online";
    this.tick();
    this.#say();
    this.#showStrip();
  }

  /** The seconds tick for the eye only; the ear hears of each change once. */
  tick() {
    setAttribute(this.#pill, "data-state", this.#link.state);
    setText(this.#pill.querySelector(".connection-text"), PILL[this.#link.state](this.#link));
  }

  clear() {
    this.#lines = [];
    this.#wasOnline = false;
    this.#log.hidePopover();
    byId("connection-events").replaceChildren();
  }

  /** Attempts come and go; only their end is news. */
  #say() {
    const { state, why } = this.#link;
    if (state === "connecting") return;
    setText(byId("connection-said"), state === "online" ? "Online." : [why, NEXT[state]?.[0]].filter(Boolean).join(" "));
  }

  #showStrip() {
    const { state, why } = this.#link;
    // While an attempt runs the strip stays as it is, or it would flicker at each of them.
    const next = state === "connecting" && why ? NEXT.reconnecting : NEXT[state];
    const focused = this.#strip.contains(document.activeElement);
    this.#strip.hidden = !next;
    if (!next) return focused && byId("composer-text").focus();
    setText(byId("offline-text"), state === "refused" ? next[0] : `${why ?? ""} ${next[0]}`.trim());
    setText(byId("retry-now"), next[1]);
    setAttribute(this.#strip, "data-state", state);
  }

  #note(sentence) {
    this.#lines.push({ at: Date.now() / 1000, sentence });
    if (this.#lines.length > KEPT) this.#lines.shift();
    byId("connection-events").replaceChildren(...this.#lines.toReversed().map(makeLine));
  }

  /** Below the pill, and within the window. */
  #place() {
    const { bottom, right } = this.#pill.getBoundingClientRect();
    this.#log.style.top = `${bottom + 8}px`;
    this.#log.style.right = `${Math.max(12, Math.min(document.body.clientWidth - right, document.body.clientWidth - 332))}px`;
  }
}

const makeLine = ({ at, sentence }) =>
  el("li", {}, el("time", { datetime: new Date(at * 1000).toISOString(), title: fullTime(at) }, clockSeconds(at)), el("span", {}, sentence));
