/** The cluster, where there is one: its nodes with their leases, how its engine stands, what had to be put right. */

import { getNodes } from "./api.js";
import { Keyed, byId, el, replace, setAttribute, setText } from "./dom.js";
import { duration, number, plural } from "./format.js";
import { nameNode } from "./names.js";

// Milliseconds.
const AGAIN = 2000;

// Of the engine's state; "act" wants somebody to do something.
const LEVELS = { up: "calm", warming: "watch" };

const levelOf = ({ state }) => LEVELS[state] ?? "act";

/** What stands around every view: the tab, the lease, the warnings. */
export class ClusterFacts {
  #link = byId("nav-cluster");

  see({ cluster, warnings }) {
    this.#offer(cluster !== null);
    byId("lease-fact").hidden = cluster === null;
    if (cluster !== null) this.#show(cluster);
    showWarnings(warnings);
  }

  /** Whoever came by a link looks at it already. */
  #offer(there) {
    if (this.#link.hidden !== there) return;
    this.#link.hidden = !there;
    if (this.#link.hasAttribute("aria-current")) this.#link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #show(cluster) {
    const level = levelOf(cluster);
    setText(byId("nav-engine"), level === "calm" ? "" : cluster.state);
    setAttribute(byId("nav-engine"), "data-level", level);
    setText(byId("server-lease"), cluster.lease_left === null ? "none" : `${duration(cluster.lease_left)} left`);
    setAttribute(byId("lease-fact"), "data-level", cluster.lease_left === null ? "act" : "calm");
  }
}

function showWarnings(warnings) {
  const box = byId("warnings");
  box.hidden = warnings.length === 0;
  const said = warnings.join("\n");
  if (box.dataset.said === said) return;
  box.dataset.said = said;
  replace(box.querySelector("ul"), ...warnings.map((warning) => el("li", {}, warning)));
}

/** The view. */
export class ClusterView {
  #keyed = new Keyed(byId("nodes-rows"));
  #timer = 0;
  #asked = 0;

  show() {
    this.#load();
    this.#timer = setInterval(() => document.hidden || this.#load(), AGAIN);
  }

  hide() { clearInterval(this.#timer); }

  async #load() {
    const asked = ++this.#asked;
    try {
      const answer = await getNodes();
      if (asked === this.#asked) this.#show(answer);
    } catch (error) {
      if (asked === this.#asked) setText(byId("cluster-problem"), error.message);
    }
  }

  #show({ cluster, problem, nodes, counted }) {
    setText(byId("cluster-problem"), "");
    byId("cluster-body").hidden = cluster === null;
    if (cluster === null) return;
    setText(byId("cluster-summary"), summary(cluster));
    setText(byId("cluster-lease"), cluster.no_lease && `${cluster.node} has no lease: ${cluster.no_lease}.`);
    showFacts(byId("engine-facts"), engineFacts(cluster));
    showFacts(byId("put-right-facts"), putRight(counted));
    this.#keyed.show(nodes, { key: ({ session }) => session, make: makeNode, update: updateNode });
    byId("nodes-table").hidden = nodes.length === 0;
    setText(byId("nodes-none"), problem === null ? "" : `Nobody can say which nodes are alive: ${problem}.`);
  }
}

function summary(cluster) {
  const engine = {
    up: "The engine answers.",
    warming: `The engine's data is new: nobody is let in for ${duration(cluster.warming)}.`,
  }[cluster.state] ?? `The engine is ${cluster.state} for ${duration(cluster.standing_for)}.`;
  if (cluster.lease_left !== null) return `${engine} ${cluster.node} sees ${plural(cluster.nodes, "node")}, itself included.`;
  const follows = cluster.limits_may_be_exceeded ? "limits may be exceeded" : "nobody is let in here";
  return `${engine} ${cluster.node} has no lease: ${follows}.`;
}

/** [name, value, level]. */
const engineFacts = (cluster) => [
  ["Engine", cluster.state, levelOf(cluster)],
  ["At", cluster.engine],
  ["Round trip", duration(cluster.round_trip)],
  ["Calls", number(cluster.calls)],
  ["Calls that failed", number(cluster.failures), cluster.failures > 0 ? "watch" : "calm"],
  ["Connections so far", number(cluster.connects)],
  ["Gaps", number(cluster.gaps)],
  ["Lease left", cluster.lease_left === null ? "none" : `${duration(cluster.lease_left)} of ${duration(cluster.lease)}`, cluster.lease_left === null ? "act" : "calm"],
  ["Without a lease", cluster.kept ? "keep everybody" : "end everybody"],
  ["Slots counted", number(cluster.slots)],
];

const putRight = (counted) => [
  ["Leases lost", number(counted.leases_lost), counted.leases_lost > 0 ? "act" : "calm"],
  ["Engine's data was new", plural(counted.warmings, "time")],
  ["Orphans dropped", number(counted.orphans_dropped)],
  ["Forgotten slots added", number(counted.slots_added)],
  ["Slots lost", number(counted.slots_lost), counted.slots_lost > 0 ? "watch" : "calm"],
  ["Owners asked", number(counted.owners_asked)],
  ["Owners silent", number(counted.owners_silent), counted.owners_silent > 0 ? "watch" : "calm"],
  ["Slots freed by them", number(counted.slots_freed_elsewhere)],
  ["Found elsewhere", number(counted.found_elsewhere)],
  ["Not admitted", number(counted.not_admitted), counted.not_admitted > 0 ? "watch" : "calm"],
];

const lists = new WeakMap();

function showFacts(list, facts) {
  if (!lists.has(list)) lists.set(list, new Keyed(list));
  lists.get(list).show(facts, {
    key: ([name]) => name,
    make: ([name]) => el("div", {}, el("dt", {}, name), el("dd", {})),
    update: (node, [, value, level = "calm"]) => {
      setText(node.lastChild, value);
      setAttribute(node, "data-level", level);
    },
  });
}

const CELLS = ["lease", "managers", "users", "condemned-cell", "address"];

const makeNode = ({ name, is_me: isMe }) =>
  el("tr", {},
    el("th", { scope: "row" }, nameNode(name), isMe && el("span.muted", {}, " this one")),
    ...CELLS.map((cell) => el(`td.${cell}`, {})));

function updateNode(row, node) {
  const [lease, managers, users, condemned, address] = CELLS.map((cell) => row.querySelector(`.${cell}`));
  setText(lease, `${duration(node.expires_in)} of ${duration(node.lease)}`);
  setText(managers, figure(node.figures.managers));
  setText(users, figure(node.figures.users));
  setText(condemned, figure(node.figures.zombies));
  setAttribute(condemned, "data-level", node.figures.zombies > 0 ? "watch" : "calm");
  setText(address, node.address || "–");
}

const figure = (count) => (count === null ? "–" : number(count));
