/** On which node each manager of a user lives; only in a cluster. */

import { getWhere } from "./api.js";
import { Keyed, byId, el, setText } from "./dom.js";
import { duration, number, plural } from "./format.js";
import { nameNode } from "./names.js";
import { chip, setChip, worstFirst } from "./verdicts.js";

// A limit of thousands must not make a page of thousands.
const MOST_ROWS = 100;

export class Whereabouts {
  #keyed = new Keyed(byId("where-rows"));
  #asked = 0;

  hide() {
    this.#asked += 1;
    byId("where-section").hidden = true;
  }

  async load(user) {
    const asked = ++this.#asked;
    try {
      const answer = await getWhere(user);
      if (asked === this.#asked) this.#show(answer);
    } catch (error) {
      if (asked === this.#asked) setText(byId("where-problem"), error.message);
    }
    if (asked === this.#asked) byId("where-section").hidden = false;
  }

  #show({ managers, total, problem }) {
    const shown = [...managers].sort(byNode).slice(0, MOST_ROWS);
    this.#keyed.show(shown, { key: keyOf, make, update });
    setText(byId("where-problem"), problem === null ? "" : `Only this node could be asked: ${problem}.`);
    setText(byId("where-said"), said(managers, total, problem));
    byId("where-table").hidden = shown.length === 0;
    const more = total - shown.length;
    setText(byId("where-more"), more > 0 ? `and ${plural(more, "more manager")}` : "");
  }
}

const byNode = (a, b) => worstFirst(a, b) || (a.node < b.node ? -1 : a.node > b.node ? 1 : 0);

const keyOf = ({ node, key, incarnation }) => JSON.stringify([node, key, incarnation]);

function said(managers, total, problem) {
  const nodes = new Set(managers.map(({ node }) => node)).size;
  if (total === 0) return problem === null ? "Nobody of this user lives on any node." : "";
  return `${plural(total, "manager")} on ${plural(nodes, "node")}.`;
}

const make = ({ node, key, here }) =>
  el("tr", {},
    el("th", { scope: "row" }, nameNode(node), here && el("span.muted", {}, " this one")),
    el("td.words.key-cell", {}, nameNode(key), el("span.incarnation", {})),
    el("td.words", {}, chip("unknown")),
    el("td.age", {}),
    el("td.links", {}),
    el("td.words.evidence", {}));

/** Of one whose node does not answer nothing is known but its key. */
function update(row, { incarnation, health, age, connections, evidence }) {
  const known = incarnation > 0;
  setText(row.querySelector(".incarnation"), known ? `#${incarnation}` : "");
  setChip(row.querySelector(".chip"), health);
  setText(row.querySelector(".age"), known ? duration(age) : "–");
  setText(row.querySelector(".links"), connections === null ? "–" : number(connections));
  setText(row.querySelector(".evidence"), evidence);
}
