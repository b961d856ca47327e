/** One user's managers as a tree: each with verdict, evidence, phase, age, line and connections; each can be stopped. */

import { Keyed, arrange, el, icon, setAttribute, setText } from "./dom.js";
import { duration, plural, shortPlaces } from "./format.js";
import { nameNode, plainName } from "./names.js";
import { showPlace } from "./places.js";
import { chip, setChip, worstFirst } from "./verdicts.js";

// Never reached with usual limits; a limit of thousands must not make a page of thousands.
const MOST_ROWS = 50;

export class Managers {
  #list = el("ul.managers", {});
  #more = el("p.muted", {});
  #keyed = new Keyed(this.#list);
  element = el("div", {}, this.#list, this.#more);

  /** `onStop(manager)`: null where nobody can be stopped. */
  constructor({ label, onStop }) {
    this.onStop = onStop;
    this.#list.setAttribute("aria-label", label);
  }

  show(managers) {
    const shown = [...managers].sort(worstFirst).slice(0, MOST_ROWS);
    this.#keyed.show(shown, {
      key: ({ key, incarnation }) => JSON.stringify([key, incarnation]),
      make: (manager) => this.#make(manager),
      update,
    });
    const more = managers.length - shown.length;
    setText(this.#more, more > 0 ? `and ${plural(more, "more manager")}` : "");
  }

  #make(manager) {
    const { key, incarnation } = manager;
    return el("li.manager", {},
      el("div.manager-who", {},
        el("div.row-head", {}, chip("unknown"), nameNode(key), el("span.incarnation", { title: "Incarnation" }, `#${incarnation}`)),
        el("ul.connections", {})),
      el("div.manager-why", {}, el("p.evidence", {}), el("p.cause", {}), el("div.place-holder", {})),
      el("p.manager-facts", {}, el("span", {}), el("span", {})),
      this.onStop && this.#makeStop(manager));
  }

  #makeStop(manager) {
    const onclick = () => this.onStop(manager);
    return el("button.button.small.acts", { type: "button", "aria-label": `Stop ${plainName(manager.key)}`, onclick }, "Stop");
  }
}

function update(node, manager) {
  setAttribute(node, "data-health", manager.health);
  setChip(node.querySelector(".chip"), manager.health);
  const [phase, age] = node.querySelector(".manager-facts").children;
  setText(phase, phaseOf(manager));
  setText(age, `${duration(manager.age)} old`);
  setText(node.querySelector(".evidence"), manager.evidence);
  setText(node.querySelector(".cause"), shortPlaces(manager.cause));
  if (manager.where || manager.stack.length > 0) showPlace(node.querySelector(".place-holder"), manager);
  else node.querySelector(".place-holder").replaceChildren();
  showConnections(node.querySelector(".connections"), manager.connections);
}

const phaseOf = ({ phase, phase_for: since }) => (phase === null ? "" : since === null ? phase : `${phase} for ${duration(since)}`);

/** Nothing for a kind of actor that never has any. */
function showConnections(list, connections) {
  const said = connections === null ? null : connections === 0 ? "no connection" : plural(connections, "connection");
  if (said === null) return arrange(list, []);
  if (list.children.length === 0) list.append(el("li", {}, icon("wire"), el("span", {})));
  setText(list.querySelector("span"), said);
}
