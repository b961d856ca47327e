/** The condemned: cancelled, and still running. Why they do not end, and where. */

import { Keyed, byId, el, setText } from "./dom.js";
import { duration, number, shortPlaces } from "./format.js";
import { nameNode, userLink } from "./names.js";
import { showPlace } from "./places.js";
import { chip } from "./verdicts.js";

const MOST_ROWS = 20;

export class CondemnedList {
  #keyed = new Keyed(byId("condemned-list"));

  see({ survey, counts }) {
    const all = survey?.condemned ?? [];
    this.#keyed.show(all.slice(0, MOST_ROWS), { key: keyOf, make, update });
    byId("condemned-none").hidden = all.length > 0;
    const more = counts.zombies - Math.min(all.length, MOST_ROWS);
    setText(byId("condemned-more"), all.length > 0 && more > 0 ? `and ${number(more)} more` : "");
  }
}

const keyOf = ({ user, key, incarnation }) => JSON.stringify([user, key, incarnation]);

const make = ({ user, key }) =>
  el("li.condemned", {},
    el("div.row-head", {}, chip("condemned"), userLink(user), el("span.muted", {}, "/"), nameNode(key), el("span.since", {})),
    el("p.cause", {}),
    el("div.place-holder", {}));

function update(node, manager) {
  setText(node.querySelector(".since"), `for ${duration(manager.phase_for ?? manager.age)}`);
  setText(node.querySelector(".cause"), shortPlaces(manager.cause || manager.evidence));
  showPlace(node.querySelector(".place-holder"), manager);
}
