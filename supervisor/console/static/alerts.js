/** Alerts: what a person should look at, newest first; each is read out once. */

import { announce } from "./announce.js";
import { Keyed, byId, el, icon, setText } from "./dom.js";
import { ago } from "./format.js";
import { userLink } from "./names.js";

const MOST_ROWS = 3;

export class Alerts {
  #keyed = new Keyed(byId("alerts-list"));
  #box = byId("alerts");
  #putAway = new Map();
  #told = new Set();

  see({ at, alerts }) {
    const standing = alerts.filter((alert) => !this.#isAway(alert, at));
    const shown = standing.slice(0, MOST_ROWS);
    this.#box.hidden = shown.length === 0;
    this.#keyed.show(shown, { key: keyOf, make: (alert) => this.#make(alert), update });
    const more = standing.length - shown.length;
    setText(byId("alerts-more"), more > 0 ? `and ${more} older` : "");
    this.#tell(shown);
    this.#forgetEnded(alerts);
    this.at = at;
  }

  #tell(shown) {
    const news = shown.filter((alert) => !this.#told.has(keyOf(alert)));
    if (news.length > 0) announce(news.map(({ summary }) => summary).join(" "));
  }

  /** What stands no longer would be news again. */
  #forgetEnded(alerts) {
    this.#told = new Set(alerts.map(keyOf));
    this.#putAway = new Map([...this.#putAway].filter(([key]) => this.#told.has(key)));
  }

  /** One that was put away comes back when it fires anew. */
  #isAway(alert, at) {
    return at - alert.ago <= (this.#putAway.get(keyOf(alert)) ?? -Infinity);
  }

  #make(alert) {
    return el("li.alert", { "data-alert": alert.name },
      el("span.alert-sign", {}, icon("alert")),
      el("p.alert-text", {}, el("strong", {}), alert.user !== null && userLink(alert.user)),
      el("span.muted.alert-name", {}, `${alert.name} · `, el("span.ago", {})),
      this.#makeAway(alert));
  }

  #makeAway(alert) {
    const onclick = () => this.#dismiss(alert);
    return el("button.icon-button", { type: "button", "aria-label": "Put this alert away", onclick }, icon("close"));
  }

  #dismiss(alert) {
    this.#putAway.set(keyOf(alert), this.at);
    this.#keyed.get(keyOf(alert))?.remove();
    this.#box.hidden = byId("alerts-list").children.length === 0;
    byId("main").focus();
  }
}

const keyOf = ({ name, user }) => JSON.stringify([name, user]);

function update(node, alert) {
  setText(node.querySelector("strong"), alert.summary);
  setText(node.querySelector(".ago"), ago(alert.ago));
}
