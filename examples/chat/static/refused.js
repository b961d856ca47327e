/** The dialog which says why this tab was not let in, who holds the slots, and when it tries again. */

import { endSession, loadSessions } from "./api.js";
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
  #dialog = byId("refused");
  #timer = 0;
  #retryAt = 0;
  #waiting = false;

  constructor({ identity, onRetry, onError }) {
    Object.assign(this, { identity, onRetry, onError });
    byId("refused-retry").addEventListener("click", () => this.#retry());
    byId("refused-close").addEventListener("click", () => this.#dialog.close());
  }

  /** It was refused, perhaps not for the first time: a dialog put away by hand stays away. */
  async refuse(reason) {
    if (!this.#waiting) this.open();
    this.#waiting = true;
    setText(byId("refused-reason"), reason || UNSAID);
    this.#countDownFrom(RETRY_AFTER);
    try {
      this.#explain(await loadSessions(this.identity.token));
    } catch (error) {
      this.onError(error);
    }
  }

  open() {
    if (this.#dialog.open) return;
    this.#dialog.showModal();
    byId("refused-title").focus();
  }

  /** Let in, or gone: nothing is tried any more. */
  end() {
    clearInterval(this.#timer);
    this.#waiting = false;
    this.#dialog.close();
  }

  #explain({ limit, sessions, refusal }) {
    if (!this.#waiting) return;
    const said = byId("refused-reason");
    if (said.textContent === UNSAID && refusal) setText(said, refusal.sentence);
    const holders = refusal?.holders ?? sessions.map(asHolder);
    setText(byId("refused-count"), `Who holds the ${plural(refusal?.limit ?? limit, "slot")}, and why each was kept`);
    const focused = document.activeElement?.closest(".holder")?.dataset.session;
    byId("refused-holders").replaceChildren(...holders.map((holder) => this.#makeHolder(holder)));
    this.#endButton(focused)?.focus();
    if (refusal?.retry_after > 0) this.#countDownFrom(refusal.retry_after);
  }

  #endButton(session) {
    return [...byId("refused-holders").children].find((node) => node.dataset.session === session)?.querySelector("button");
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

  #makeHolder({ session, verdict, evidence, kept = [], node }) {
    const short = session.slice(0, 8);
    return el("li.holder", { "data-session": session },
      el("div.session-head", {},
        stateChip(verdict),
        session === this.identity.session && el("span.this-tab", {}, "this tab"),
        el("code.session-id", { title: session }, short),
        Boolean(node) && el("span.holder-node", { dir: "auto" }, `on ${node}`),
        el("button.small.danger.end", {
          type: "button", "aria-label": `End session ${short} and take its place`, onclick: (event) => this.#end(session, event.currentTarget),
        }, "End")),
      el("p.evidence", {}, evidence),
      kept.length > 0 && el("dl.kept", {}, ...kept.flatMap(makeKept)));
  }

  async #end(session, button) {
    button.disabled = true;
    try {
      await endSession(this.identity.token, session);
      this.#retry();
    } catch (error) {
      button.disabled = false;
      setText(byId("refused-countdown"), error.message);
      this.onError(error);
    }
  }
}

const asHolder = ({ session, state, evidence, node }) => ({ session, verdict: state, evidence, kept: [], node });

/** "garbage: it has a connection" becomes a stage and what that stage found. */
function makeKept(line) {
  const [, stage, found] = /^([a-z_]+): (.*)$/s.exec(line) ?? [null, "kept", line];
  return [el("dt", {}, STAGES[stage] ?? stage), el("dd", {}, found)];
}
