/** The process itself: live, ready, how late its loop is, how long it runs, and whether it probes. */

import { setProbing } from "./api.js";
import { announce } from "./announce.js";
import { confirm } from "./confirm.js";
import { byId, el, replace, setAttribute, setText } from "./dom.js";
import { duration, number } from "./format.js";

const OFF = {
  title: "Switch probing off?",
  text:
    "Cleanup then asks nobody: no probe hook runs and no quiet client is pinged. Only what the runtime sees by itself counts, " +
    "so a client that vanished is found later. Nobody is ended by this.",
  act: "Switch it off",
};

export class Server {
  #probing = byId("probing");
  #on = null;

  /** `onError(error)`: an act was refused. */
  constructor({ onError }) {
    this.onError = onError;
    this.#probing.addEventListener("click", () => this.#toggle());
  }

  see(overview) {
    this.#on = overview.probing;
    fitness(byId("live"), "Live", "Not live", overview.live);
    fitness(byId("ready"), "Ready", "Not ready", overview.ready);
    setText(byId("server-lag"), duration(overview.lag.now));
    setText(byId("uptime"), duration(overview.uptime));
    setText(byId("sweeps"), overview.sweep_period === null ? "off" : `every ${duration(overview.sweep_period)}`);
    setText(byId("process"), slots(overview));
    const may = overview.access === "look" ? " · you may look, not act" : "";
    setText(byId("version"), `${`trouper ${overview.version}`.trim()}, pid ${overview.pid}${may}`);
    this.#probing.disabled = overview.access === "look";
    setAttribute(this.#probing, "aria-checked", String(overview.probing));
    setText(this.#probing.querySelector(".switch-word"), overview.probing ? "on" : "off");
    this.#tellProblems([...new Set([...overview.live.problems, ...overview.ready.problems])]);
  }

  #tellProblems(problems) {
    const box = byId("problems");
    box.hidden = problems.length === 0;
    const said = problems.join("\n");
    if (box.dataset.said === said) return;
    box.dataset.said = said;
    replace(box.querySelector("ul"), ...problems.map((problem) => el("li", {}, problem)));
    if (problems.length > 0) announce(`Not fit: ${problems.join("; ")}`);
  }

  async #toggle() {
    const on = !this.#on;
    if (!on && !(await confirm(OFF))) return;
    try {
      const answer = await setProbing(on);
      announce(`Probing is ${answer.probing ? "on" : "off"}.`);
    } catch (error) {
      this.onError(error);
    }
  }
}

const slots = ({ counts, process_limit: limit }) =>
  limit === null ? number(counts.managers) : `${number(counts.managers)} of ${number(limit)}`;

function fitness(node, good, bad, { ok }) {
  setAttribute(node, "data-ok", String(ok));
  setText(node.querySelector(".fit-word"), ok ? good : bad);
}
