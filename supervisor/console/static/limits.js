/** The users at their limit, whoever reached it first being first. */

import { Keyed, byId, el, setText } from "./dom.js";
import { number, plural } from "./format.js";
import { userLink } from "./names.js";

const MOST_ROWS = 10;

export class AtLimit {
  #keyed = new Keyed(byId("limit-list"));

  see({ at_limit: { total, users }, survey }) {
    const stuck = new Map((survey?.stuck_users ?? []).map((found) => [found.user, found.stuck]));
    this.#keyed.show(users.slice(0, MOST_ROWS), {
      key: ({ user }) => user,
      make,
      update: (node, user) => update(node, user, stuck.get(user.user) ?? 0),
    });
    byId("limit-none").hidden = total > 0;
    byId("limit-table").hidden = total === 0;
    const more = total - Math.min(users.length, MOST_ROWS);
    byId("limit-more").hidden = more <= 0;
    setText(byId("limit-more"), `and ${plural(more, "more user")}`);
  }
}

const make = ({ user }) =>
  el("tr", {},
    el("th", { scope: "row" }, userLink(user)),
    ...["held", "stuck-cell", "waiting", "condemned-cell"].map((name) => el(`td.${name}`, {})));

function update(node, { held, limit, condemned, waiting }, stuck) {
  setText(node.querySelector(".held"), `${number(held)} / ${number(limit)}`);
  setText(node.querySelector(".stuck-cell"), number(stuck));
  node.querySelector(".stuck-cell").dataset.level = stuck > 0 ? "act" : "calm";
  setText(node.querySelector(".waiting"), number(waiting));
  setText(node.querySelector(".condemned-cell"), number(condemned));
}
