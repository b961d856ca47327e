/** The last ten minutes, one point a second: what the server has kept, and what came since. Pure. */

const KEPT = 600;
const NAMES = ["managers", "users", "created", "cleaned", "refused", "spawn_p99", "lag"];

export class Series {
  at = [];
  values = Object.fromEntries(NAMES.map((name) => [name, []]));
  #before = null;

  /** Begin anew from what the server has kept; `now` in seconds. */
  fill({ step, ends_ago: endsAgo, series }, now) {
    this.#before = null;
    const length = Math.min(KEPT, series.managers.length);
    const end = now - endsAgo;
    this.at = Array.from({ length }, (_, place) => end - (length - 1 - place) * step);
    for (const name of NAMES) this.values[name] = series[name].slice(-length);
  }

  /** One more overview. What is counted from the beginning becomes so many a second. */
  add(overview, now) {
    const { counts, lag, at } = overview;
    const before = this.#before;
    this.#before = { at, counts };
    if (before === null || at <= before.at || now <= (this.at.at(-1) ?? 0)) return;
    const each = (name) => Math.max(0, counts[name] - before.counts[name]) / (at - before.at);
    this.#push(now, {
      managers: counts.managers,
      users: counts.users,
      created: each("managers_created"),
      cleaned: each("managers_cleaned_up"),
      refused: each("resource_limit_hits"),
      spawn_p99: quantile(spawnsBetween(before.counts, counts), counts.spawned.bounds, 0.99),
      lag: lag.now,
    });
  }

  #push(now, values) {
    this.at.push(now);
    for (const name of NAMES) this.values[name].push(values[name]);
    const extra = this.at.length - KEPT;
    if (extra <= 0) return;
    this.at.splice(0, extra);
    for (const name of NAMES) this.values[name].splice(0, extra);
  }

  /** {now, least, most} of what is known; null if nothing is. */
  range(name) {
    const known = this.values[name].filter((value) => value !== null);
    return known.length === 0 ? null : { now: this.values[name].at(-1), least: Math.min(...known), most: Math.max(...known) };
  }

  /** One row a minute, newest first: [seconds since the epoch, {name: value}]. */
  minutes() {
    const rows = [];
    for (let place = this.at.length - 1; place >= 0; place -= 60) {
      rows.push([this.at[place], Object.fromEntries(NAMES.map((name) => [name, this.values[name][place]]))]);
    }
    return rows;
  }
}

/** For each bound, how many spawns took no longer, and longer than the bound before. */
const spawnsBetween = (before, after) =>
  after.spawned.counts.map((_, place) => {
    const since = (name) => after[name].counts[place] - before[name].counts[place];
    return since("spawned") + since("spawned_after_cleanup");
  });

/** The bound below which that part of them lies; null: of none. */
function quantile(counts, bounds, part) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  const place = counts.findIndex((count) => (seen += count) >= part * total);
  return total === 0 ? null : bounds[Math.min(place, bounds.length - 1)];
}
