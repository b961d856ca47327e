/** The numbers at the top of the overview: each with its unit of comparison, and with words for zero. */

import { byId, el, icon, setAttribute, setText } from "./dom.js";
import { duration, number, plural, rate } from "./format.js";
import { stuckCount, unknownCount } from "./standing.js";

// Seconds; the same bounds as the alerts'.
const SLOW_SPAWN = 0.5;
const LATE = 0.1;
const STALLED = 1.0;

const watchIf = (wrong) => (wrong ? "watch" : "calm");

/** name: [label, overview -> [value, what it is to be seen against, level]]. */
const TILES = {
  users: ["Users", ({ counts }) => [number(counts.users), `${counts.average_managers_per_user.toFixed(1)} managers each`]],
  managers: ["Managers", ({ counts }) => [number(counts.managers), `at most ${number(counts.max_concurrent_managers)} so far`]],
  limit: ["At the limit", limitTile],
  stuck: ["Stuck", stuckTile],
  condemned: ["Condemned", condemnedTile],
  refusals: ["Refused / min", refusalsTile],
  spawn: ["Spawn p99", spawnTile],
  lag: ["Loop lag", lagTile],
};

function limitTile({ counts: { users_at_manager_limit: many, users } }) {
  return [number(many), many > 0 ? `of ${plural(users, "user")}` : "Nobody", watchIf(many > 0)];
}

function stuckTile({ survey }) {
  if (survey === null) return ["–", "Not surveyed yet"];
  const [stuck, unknown] = [stuckCount(survey), unknownCount(survey)];
  if (unknown > 0) return [number(stuck), `${number(unknown)} not judged yet`, "act"];
  return [number(stuck), stuck > 0 ? `of ${plural(survey.stuck_users.length, "user")}` : "Nobody is stuck", stuck > 0 ? "act" : "calm"];
}

function condemnedTile({ counts: { zombies } }) {
  return [number(zombies), zombies > 0 ? "cancelled, run on" : "Nobody", watchIf(zombies > 0)];
}

function refusalsTile({ rates, counts }) {
  const perMinute = rates.resource_limit_hits;
  return [rate(perMinute), `${number(counts.resource_limit_hits)} in all`, watchIf(perMinute > 0)];
}

function spawnTile({ spawn: { p50, p99 } }) {
  if (p99 === null) return ["–", "No spawn this minute"];
  return [`≤ ${duration(p99)}`, `half within ${duration(p50)}`, watchIf(p99 > SLOW_SPAWN)];
}

function lagTile({ lag: { now, worst } }) {
  return [duration(now), `at worst ${duration(worst)}`, now > STALLED ? "act" : watchIf(worst > LATE)];
}

export class Tiles {
  #tiles = Object.entries(TILES).map(([name, [label, read]]) => ({ read, node: makeTile(name, label) }));

  constructor() { byId("tiles").replaceChildren(...this.#tiles.map(({ node }) => node)); }

  see(overview) {
    for (const { node, read } of this.#tiles) {
      const [value, note, level = "calm"] = read(overview);
      setAttribute(node, "data-level", level);
      setText(node.querySelector(".tile-value"), value);
      setText(node.querySelector(".tile-note"), note);
    }
  }
}

const makeTile = (name, label) =>
  el("div.tile", { "data-tile": name, "data-level": "calm" },
    el("dt", {}, label, icon("alert")),
    el("dd.tile-value", {}, "–"),
    el("dd.tile-note", {}, " "));
