/** The panel which says why this tab was not let in, who holds the slots, and when it tries again. */

import { loadSessions } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { plural } from "./format.js";
import { stateChip } from "./sessions.js";

const RETRY_AFTER = 5;
// A server that says "in an hour" or "now" is not taken by its word.
const SOONEST = 1;
const LATEST = 60;
const UNSAID = "The server has no free slot for one more session of yours.";
// The words of the server for the stages it went through, as people would say them.
const STAGES = { takeover: "Takeover", garbage: "Garbage", liveness: "Liveness" };

export class RefusedPanel {
  #panel = byId("refused");
  #timer = 0;
  #retryAt = 0;

  constructor({ identity, onRetry, onError }) {
    Object.assign(this, { identity, onRetry, onError });
    byId("refused-retry").addEventListener("click", () => this.#retry());
  }

  async show(reason) {
    const opening = this.#panel.hidden;
    this.#panel.hidden = false;
    setText(byId("refused-reason"), reason || UNSAID);
    this.#countDownFrom(RETRY_AFTER);
    if (opening) byId("refused-title").focus();
    try {
      this.#explain(await loadSessions(this.identity.token));
    } catch (error) {
      this.onError(error);
    }
  }

  hide() {
    clearInterval(this.#timer);
    this.#panel.hidden = true;
  }

  #explain({ limit, sessions, refusal }) {
    if (this.#panel.hidden) return;
    const said = byId("refused-reason");
    if (said.textContent === UNSAID && refusal) setText(said, refusal.sentence);
    const holders = refusal?.holders ?? sessions.map(asHolder);
    setText(byId("refused-count"), `Who holds the ${plural(refusal?.limit ?? limit, "slot")}, and why each was kept`);
    byId("refused-holders").replaceChildren(...holders.map((holder) => makeHolder(holder, this.identity.session)));
    if (refusal?.retry_after > 0) this.#countDownFrom(refusal.retry_after);
  }

  #countDownFrom(seconds) {
    clearInterval(this.#timer);
    this.#retryAt = Date.now() + 1000 * Math.min(LATEST, Math.max(SOONEST, seconds));
    this.#timer = setInterval(() => this.#tick(), 250);
    this.#tick();
  }

  #tick() {
    const left = Math.ceil((this.#retryAt - Date.now()) / 1000);
    if (left <= 0) return this.#retry();
    setText(byId("refused-countdown"), `Trying again by itself in ${left} s`);
  }

  #retry() {
    clearInterval(this.#timer);
    setText(byId("refused-countdown"), "Trying again now…");
    this.onRetry();
  }
}

const asHolder = ({ session, state, evidence }) => ({ session, verdict: state, evidence, kept: [] });

function makeHolder({ session, verdict, evidence, kept = [] }, own) {
  return el("li.holder", { "data-session": session },
    el("div.session-head", {},
      stateChip(verdict),
      session === own && el("span.this-tab", {}, "this tab"),
      el("code.session-id", { title: session }, session.slice(0, 8))),
    el("p.evidence", {}, evidence),
    kept.length > 0 && el("dl.kept", {}, ...kept.flatMap(makeKept)));
}

/** "garbage: it has a connection" becomes a stage and what that stage found. */
function makeKept(line) {
  const [, stage, found] = /^([a-z_]+): (.*)$/s.exec(line) ?? [null, "kept", line];
  return [el("dt", {}, STAGES[stage] ?? stage), el("dd", {}, found)];
}
