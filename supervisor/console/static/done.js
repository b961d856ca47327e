/** What was done about it, lately: the events in which the supervisor, or an operator, acted. */

import { getActs } from "./api.js";
import { Keyed, byId, el, setText } from "./dom.js";
import { clock } from "./format.js";
import { makeRow } from "./feed.js";

const MOST_ROWS = 8;
const MOST_ACTS = 100;
const KEPT = 1000;
const ACTS = /^supervisor\.(cleanup|reap|limit|settings|sweep)\.|^supervisor\.(actor\.(forced|condemned)|sweeper\.failed|process)/;

export class Done {
  #keyed = new Keyed(byId("done-list"));
  #acts = new Map();
  #told = new Set();

  /** What the feed has forgotten already: acts are kept for longer than events. Of a new process, from nothing. */
  async backfill({ anew }) {
    if (anew) {
      this.#acts.clear();
      this.#told.clear();
    }
    const now = Date.now() / 1000;
    const { events } = await getActs(MOST_ACTS);
    this.hear(events.map((event) => ({ ...event, at: now - event.ago })));
  }

  /** Lines of the feed; some may have been heard before. */
  hear(lines) {
    for (const line of lines) if (line.event && line.level !== "DEBUG" && ACTS.test(line.event)) this.#note(line);
    const newest = [...this.#acts.values()].sort((one, other) => other.line.seq - one.line.seq).slice(0, MOST_ROWS);
    this.#acts = new Map(newest.map((act) => [act.line.text, act]));
    this.#told = new Set([...this.#told].slice(-KEPT));
    this.#keyed.show(newest, { key: ({ line }) => line.text, make, update });
    byId("done-none").hidden = newest.length > 0;
  }

  /** What is done again and again is one row, which says how often. */
  #note(line) {
    if (this.#told.has(line.seq)) return;
    this.#told.add(line.seq);
    const before = this.#acts.get(line.text);
    const last = before !== undefined && before.line.seq > line.seq ? before.line : line;
    this.#acts.set(line.text, { line: last, times: (before?.times ?? 0) + 1 });
  }
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
