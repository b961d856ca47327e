/** How the page itself stands with the server: live, or with figures that are stale, and it says so. */

import { announce } from "./announce.js";
import { byId, setAttribute, setText } from "./dom.js";
import { clock, duration } from "./format.js";

// Seconds: an overview comes every second.
const FRESH = 3;

const WORDS = { live: "Up to date", connecting: "Connecting…", stale: "Stale", resting: "Resting", refused: "Refused" };

export class Connection {
  #state = "connecting";
  #facts = {};
  #overviewAt = null;
  #was = "";

  /** `onRetry()`: somebody will not wait for the next attempt. */
  constructor({ onRetry }) {
    byId("stale-retry").addEventListener("click", onRetry);
    setInterval(() => this.#show(), 500);
  }

  set(state, facts) {
    this.#state = state;
    if (facts.why || state === "open") this.#facts = facts;
    this.#show();
  }

  heard() {
    this.#overviewAt = Date.now() / 1000;
    this.#state = "open";
    this.#facts = {};
    this.#show();
  }

  #show() {
    const age = this.#overviewAt === null ? null : Date.now() / 1000 - this.#overviewAt;
    const shown = this.#shownState(age);
    const isStale = shown === "stale";
    setAttribute(byId("connection"), "data-state", shown);
    setText(byId("connection-word"), isStale && age !== null ? `Stale, ${duration(age)}` : WORDS[shown]);
    setAttribute(document.body, "data-stale", String(isStale));
    byId("stale").hidden = !isStale;
    if (isStale) setText(byId("stale-text"), this.#sentence(age));
    this.#tell(shown);
  }

  #shownState(age) {
    if (this.#state === "refused" || this.#state === "resting") return this.#state;
    if (age !== null) return age > FRESH || this.#state === "lost" ? "stale" : "live";
    return this.#facts.why ? "stale" : "connecting";
  }

  #sentence(age) {
    const figures = age === null ? "There are no figures yet." : `These figures are of ${clock(this.#overviewAt)}, ${duration(age)} ago.`;
    const { why = "No word has come since.", retryAt } = this.#facts;
    const wait = Math.ceil(((retryAt ?? 0) - Date.now()) / 1000);
    const next = this.#state === "open" ? "" : wait > 0 ? ` Trying again in ${wait} s.` : " Trying again now.";
    return `${figures} ${why}${next}`;
  }

  /** The ear hears of each change once; the seconds are for the eye. */
  #tell(shown) {
    if (shown === this.#was) return;
    if (shown === "stale") announce(`The figures are stale. ${this.#facts.why ?? ""}`);
    if (shown === "live" && this.#was === "stale") announce("Live again.");
    this.#was = shown;
  }
}
