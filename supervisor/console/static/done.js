/** What was done about it, lately: the events in which the supervisor, or an operator, acted. */

import { Keyed, byId, el, setText } from "./dom.js";
import { clock } from "./format.js";
import { makeRow } from "./feed.js";

const MOST_ROWS = 8;
const ACTS = /^supervisor\.(cleanup|reap|limit|settings|sweep)\.|^supervisor\.(actor\.(forced|condemned)|sweeper\.failed|process)/;

export class Done {
  #keyed = new Keyed(byId("done-list"));
  #acts = new Map();

  /** Lines of the feed, oldest first. */
  hear(lines) {
    for (const line of lines) if (line.event && line.level !== "DEBUG" && ACTS.test(line.event)) this.#note(line);
    const newest = [...this.#acts.values()].reverse().slice(0, MOST_ROWS);
    this.#acts = new Map(newest.toReversed().map((act) => [act.line.text, act]));
    this.#keyed.show(newest, { key: ({ line }) => line.text, make, update });
    byId("done-none").hidden = newest.length > 0;
  }

  /** What is done again and again is one row, which says how often. */
  #note(line) {
    const times = (this.#acts.get(line.text)?.times ?? 0) + 1;
    this.#acts.delete(line.text);
    this.#acts.set(line.text, { line, times });
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
