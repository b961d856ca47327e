/** What was done about it, lately: the events in which the supervisor, or an operator, acted. */

import { getActs } from "./api.js";
import { Keyed, byId, el, setText } from "./dom.js";
import { clock } from "./format.js";
import { makeRow } from "./feed.js";

const MOST_ROWS = 8;
const MOST_ACTS = 100;

export class Done {
  #keyed = new Keyed(byId("done-list"));
  #acts = new Map();

  /** What the feed has forgotten already: acts are kept for longer than events. Of a new process, from nothing. */
  async backfill({ anew }) {
    if (anew) this.#acts.clear();
    const now = Date.now() / 1000;
    const { events } = await getActs(MOST_ACTS);
    this.hear(events.map((event) => ({ ...event, at: now - event.ago })));
  }

  /** Lines of the feed; some may have been heard before. */
  hear(lines) {
    for (const line of lines) if (line.act && line.level !== "DEBUG" && !this.#acts.has(line.seq)) this.#acts.set(line.seq, line);
    const newest = [...this.#acts.values()].sort((one, other) => other.seq - one.seq).slice(0, MOST_ACTS);
    this.#acts = new Map(newest.map((line) => [line.seq, line]));
    const rows = joined(newest).slice(0, MOST_ROWS);
    this.#keyed.show(rows, { key: ({ first }) => first, make, update });
    byId("done-none").hidden = rows.length > 0;
  }
}

/** What is done again and again, with nothing in between, is one row, which says how often. Newest first. */
function joined(lines) {
  const rows = [];
  for (const line of lines) {
    const last = rows.at(-1);
    if (last?.line.text === line.text) Object.assign(last, { times: last.times + 1, first: line.seq });
    else rows.push({ line, times: 1, first: line.seq });
  }
  return rows;
}

function make({ line }) {
  const row = makeRow(line);
  row.querySelector(".line-text").append(" ", el("span.muted.times", {}));
  return row;
}

function update(row, { line, times }) {
  setText(row.querySelector("time"), clock(line.at));
  setText(row.querySelector(".times"), times > 1 ? `${times} times` : "");
}
