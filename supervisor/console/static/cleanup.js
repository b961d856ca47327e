/** Cleaning up after a user: first a dry run, which says who would go; then the act, and its report. */

import { cleanUp } from "./api.js";
import { el, replace, setAttribute, setText } from "./dom.js";
import { number } from "./format.js";
import { plainName } from "./names.js";
import { reportBody, reportTitle } from "./reports.js";

const FIRST = "After a dry run, which shows who would go";

export class CleanupPanel {
  #result = el("div.cleanup-result", { hidden: true });
  #dry = el("button.button.acts", { type: "button", onclick: () => this.#run({ dryRun: true }) }, "Dry run");
  #clean = el("button.button.act.acts", { type: "button", onclick: () => this.#run({ dryRun: false }) }, "Clean");
  #away = el("button.link", { type: "button", hidden: true, onclick: () => this.#putAway() }, "Put away");
  element;

  /** `until()` is the last stage to run; `onDone()` is told once something was cleaned; `before` stands first among the buttons. */
  constructor({ user, until = () => "liveness", onDone = () => {}, before = null }) {
    Object.assign(this, { user, until, onDone });
    this.element = el("div.cleanup", {}, this.#result, el("div.buttons", {}, before, this.#dry, this.#clean, this.#away));
    const name = plainName(user);
    setAttribute(this.#dry, "aria-label", `Dry run for ${name}`);
    this.#allow(null);
  }

  /** Somebody is reading it: its row must not go. */
  get isOpen() { return !this.#result.hidden; }

  /** What was found does not hold any more: of another stage, say. */
  reset() {
    this.#allow(null);
    this.#result.hidden = true;
    this.#away.hidden = true;
  }

  async #run({ dryRun }) {
    this.#busy(true);
    try {
      const report = await cleanUp(this.user, { until: this.until(), dryRun });
      this.#show(reportTitle(report), reportBody(report));
      this.#allow(dryRun ? report : null);
      if (!dryRun) this.onDone();
    } catch (error) {
      this.#show("That did not work", el("p.problem", {}, error.message));
    } finally {
      this.#busy(false);
    }
    // The next stop of Tab is what one can do about it.
    this.#result.querySelector("h3").focus();
  }

  #show(title, body) {
    replace(this.#result, el("h3", { tabindex: "-1" }, title), body);
    this.#result.hidden = false;
    this.#away.hidden = false;
  }

  /** Only who has seen whom it would be may clean. */
  #allow(report) {
    const many = report?.reaped ?? 0;
    this.#clean.disabled = many === 0;
    setText(this.#clean, many > 0 ? `Clean ${number(many)}` : "Clean");
    setAttribute(this.#clean, "aria-label", `${this.#clean.textContent} of ${plainName(this.user)}`);
    setAttribute(this.#clean, "title", report === null ? FIRST : null);
  }

  #busy(busy) {
    setAttribute(this.element, "aria-busy", String(busy));
    this.#dry.disabled = busy;
    if (busy) this.#clean.disabled = true;
  }

  #putAway() {
    this.reset();
    this.#dry.focus();
  }
}
