/** The events as they come, newest first: filtered, paused, and never more rows than can be read. */

import { getEvents } from "./api.js";
import { byId, el, setAttribute, setText } from "./dom.js";
import { clock, fullTime, number, plural, shortPlaces } from "./format.js";
import { userLink } from "./names.js";

// What a filter looks through, and what is in the page.
const KEPT = 2000;
const MOST_ROWS = 300;
const BACKLOG = 1000;
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const GLYPHS = { DEBUG: "·", INFO: "–", WARNING: "▲", ERROR: "!", CRITICAL: "!" };

export class Feed {
  #lines = [];
  #last = -1;
  #held = 0;
  #paused = false;
  #queue = null;
  #rows = byId("feed-rows");
  #typing = 0;

  /** `onLines(lines)` hears of new ones, oldest first, paused or not. */
  constructor({ onLines }) {
    this.onLines = onLines;
    byId("feed-filter").addEventListener("input", () => this.#soon());
    byId("feed-level").addEventListener("change", () => this.#redraw());
    byId("feed-pause").addEventListener("click", () => this.#pause(!this.#paused));
    byId("feed-form").addEventListener("submit", (event) => event.preventDefault());
  }

  /** What was before the stream, or while it was away; what the stream brings meanwhile comes after it. */
  async backfill({ anew }) {
    if (anew) this.#last = -1; // another process, which counts from the beginning
    this.#queue = [];
    let before = [];
    try {
      before = (await getEvents(BACKLOG)).events;
    } finally {
      const since = this.#queue;
      this.#queue = null;
      this.add([...before, ...since]);
    }
  }

  /** Lines and {skipped: n}, oldest first. */
  add(events) {
    if (this.#queue !== null) return this.#queue.push(...events);
    const now = Date.now() / 1000;
    const news = this.#newOf(events).map((event) => ({ ...event, at: now - (event.ago ?? 0) }));
    if (news.length === 0) return;
    this.#lines.push(...news);
    this.#lines.splice(0, this.#lines.length - KEPT);
    this.onLines(news);
    if (this.#paused) this.#held += news.length;
    else this.#prepend(news.filter((line) => this.#fits(line)));
    this.#say();
  }

  /** Those that were not here before. They are numbered without gaps: what is missing was skipped. */
  #newOf(events) {
    const news = [];
    for (const event of events) {
      if (event.skipped || event.seq <= this.#last) continue;
      const missing = this.#last < 0 ? 0 : event.seq - this.#last - 1;
      if (missing > 0) news.push({ skipped: missing });
      news.push(event);
      this.#last = event.seq;
    }
    return news;
  }

  #fits(line) {
    if (line.skipped) return true;
    const text = byId("feed-filter").value.trim().toLowerCase();
    if (LEVELS.indexOf(line.level) < LEVELS.indexOf(byId("feed-level").value)) return false;
    return !text || `${line.text} ${line.event} ${line.user ?? ""} ${line.key ?? ""}`.toLowerCase().includes(text);
  }

  /** One insertion for a whole batch, however many came. */
  #prepend(lines) {
    const batch = document.createDocumentFragment();
    for (const line of lines.slice(-MOST_ROWS).reverse()) batch.append(makeRow(line));
    this.#rows.prepend(batch);
    while (this.#rows.children.length > MOST_ROWS) this.#rows.lastElementChild.remove();
  }

  #soon() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#redraw(), 150);
  }

  #redraw() {
    this.#rows.replaceChildren();
    const until = this.#lines.length - this.#held;
    this.#prepend(this.#lines.slice(0, Math.max(0, until)).filter((line) => this.#fits(line)));
    this.#say();
  }

  #pause(paused) {
    this.#paused = paused;
    setAttribute(byId("feed-pause"), "aria-pressed", String(paused));
    setText(byId("feed-pause"), paused ? "Go on" : "Pause");
    if (!paused) {
      this.#held = 0;
      this.#redraw();
    }
    this.#say();
  }

  #say() {
    byId("feed-none").hidden = this.#rows.children.length > 0;
    const shown = plural(this.#rows.children.length, "line");
    setText(byId("feed-said"), this.#paused ? `Paused, ${number(this.#held)} new` : shown);
  }
}

/** A row of the feed; also of what was done. */
export function makeRow(line) {
  if (line.skipped) return el("li.line.skipped", {}, `${number(line.skipped)} skipped: more came than is shown`);
  const { at, level, event, text, user } = line;
  const short = shortPlaces(text);
  return el("li.line", { "data-level": level.toLowerCase(), "data-seq": line.seq },
    el("time", { datetime: new Date(at * 1000).toISOString(), title: fullTime(at) }, clock(at)),
    el("span.level", { title: level },
      el("span", { "aria-hidden": "true" }, GLYPHS[level] ?? ""),
      el("span.visually-hidden", {}, level.toLowerCase())),
    el("span.line-text", { dir: "auto", title: short === text ? null : text }, short),
    el("code.event-id", {}, event.replace(/^supervisor\./, "")),
    user !== null && userLink(user, { class: "user line-user" }));
}
