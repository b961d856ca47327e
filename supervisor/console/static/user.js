/** One user: the limit, the slots, the managers, what a cleanup would do, and the acts. */

import { announce } from "./announce.js";
import { NOT_FOUND, getUser, setLimit, stopManager } from "./api.js";
import { CleanupPanel } from "./cleanup.js";
import { confirm } from "./confirm.js";
import { byId, el, replace, setText } from "./dom.js";
import { number, plural } from "./format.js";
import { Managers } from "./managers.js";
import { MOST, nameNode, plainName } from "./names.js";
import { SlotBar } from "./slots.js";
import { sumUp } from "./verdicts.js";
import { Whereabouts } from "./whereabouts.js";

// Milliseconds.
const AGAIN = 2000;

const STOPPING = "It is asked to stop: it works off its mail within its grace, then it is cancelled.";
const STOPPING_STUCK = "It is stuck: it is cancelled when its grace is over.";

export class UserView {
  #user = null;
  #timer = 0;
  #asked = 0;
  #bar = new SlotBar();
  #managers = new Managers({ label: "Managers", onStop: (manager) => this.#stop(manager) });
  #condemned = new Managers({ label: "Condemned managers", onStop: null });
  #cleanup = null;
  #where = new Whereabouts();
  #clustered = false;

  constructor() {
    replace(byId("user-slots"), this.#bar.element);
    replace(byId("user-managers"), this.#managers.element);
    replace(byId("user-condemned"), this.#condemned.element);
    byId("limit-form").addEventListener("submit", (event) => this.#changeLimit(event));
    byId("cleanup-until").addEventListener("change", () => this.#cleanup?.reset());
  }

  /** Whether there is a cluster is only known with the first overview. */
  see({ cluster }) {
    const learnt = cluster !== null && !this.#clustered;
    this.#clustered = cluster !== null;
    setText(byId("managers-title"), this.#clustered ? "Managers on this node" : "Managers");
    if (learnt) this.load();
  }

  show(user) {
    this.#user = user;
    replace(byId("user-name"), nameNode(user));
    byId("user-whole").hidden = user.length <= MOST;
    setText(byId("user-whole").querySelector("pre"), user);
    byId("user-whole").open = false;
    byId("user-body").hidden = true;
    this.#tell("Loading…");
    this.#cleanup = new CleanupPanel({ user, until: () => byId("cleanup-until").value, onDone: () => this.load() });
    replace(byId("user-cleanup"), this.#cleanup.element);
    byId("limit-value").value = "";
    replace(byId("user-said"));
    this.load();
    this.#timer = setInterval(() => document.hidden || this.load(), AGAIN);
  }

  hide() {
    clearInterval(this.#timer);
    this.#where.hide();
    this.#user = null;
  }

  async load() {
    if (this.#user === null) return;
    if (this.#clustered) this.#where.load(this.#user);
    const asked = ++this.#asked;
    try {
      const answer = await getUser(this.#user);
      if (asked === this.#asked && answer.user === this.#user) this.#show(answer);
    } catch (error) {
      if (asked === this.#asked) this.#tell(error.status === NOT_FOUND ? "Nobody of this name is here." : error.message);
    }
  }

  #show(answer) {
    byId("user-body").hidden = false;
    this.#tell(summary(answer, this.#clustered));
    this.#bar.show(answer);
    this.#managers.show(answer.managers);
    byId("user-managers-none").hidden = answer.managers.length > 0;
    byId("user-condemned-section").hidden = answer.condemned.length === 0;
    this.#condemned.show(answer.condemned);
    this.#showLimit(answer);
  }

  #showLimit({ limit, own_limit: own }) {
    const input = byId("limit-value");
    // Nobody's typing is overwritten.
    if (document.activeElement !== input && (input.value === "" || input.value === input.dataset.was)) input.value = String(limit);
    input.dataset.was = String(limit);
    setText(byId("limit-note"), own ? "A limit of this user's own" : "As everybody's");
  }

  #tell(sentence) { setText(byId("user-summary"), sentence); }

  async #changeLimit(event) {
    event.preventDefault();
    const limit = byId("limit-value").valueAsNumber;
    await this.#act(async () => {
      const answer = await setLimit(this.#user, limit);
      return `The limit is ${number(answer.limit)} now${answer.clustered ? " on this node; each node goes by its own" : ""}.`;
    });
  }

  async #stop({ key, incarnation, health }) {
    const how = health === "unresponsive" ? STOPPING_STUCK : STOPPING;
    const text = `${how} Its connections are closed. The user may open it anew.`;
    const agreed = await confirm({ title: `Stop ${plainName(key)}?`, text, act: "Stop it" });
    if (!agreed) return;
    await this.#act(async () => {
      const { stopped, ended, condemned } = await stopManager(this.#user, key, incarnation);
      const ends = ended.map(({ exit }) => exit).join("; ");
      return `${plural(stopped, "manager")} stopped${ends ? `: ${ends}` : ""}${condemned > 0 ? `, ${condemned} condemned` : ""}.`;
    });
  }

  async #act(act) {
    const said = byId("user-said");
    try {
      const sentence = await act();
      replace(said, el("span", {}, sentence));
      announce(sentence);
    } catch (error) {
      replace(said, el("span.problem", {}, error.message));
      announce(error.message);
    }
    await this.load();
  }
}

function summary({ here, held, limit, managers, waiting, threads, would_admit: admits, dry_run: dry }, clustered) {
  if (!here && held === 0) return `Nothing of this user is ${clustered ? "on this node" : "here"} now.`;
  const facts = [`${number(held)} of ${plural(limit, "slot")} held`, sumUp(managers)];
  if (waiting > 0) facts.push(`${plural(waiting, "spawn")} waiting`);
  if (threads > 0) facts.push(plural(threads, "blocking thread"));
  const said = `${facts.filter(Boolean).join(" · ")}.`;
  return clustered ? `On this node: ${said}` : `${said} ${nextOne(admits, dry)}`; // all nodes decide on the next one
}

function nextOne(admits, { reaped }) {
  if (!admits) return "One more would be refused now.";
  return reaped > 0 ? `One more would be let in, after cleanup (${number(reaped)} would go).` : "One more would be let in.";
}
