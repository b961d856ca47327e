/** Times, durations and counts as people read them. Pure. */

const NUMBER = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });
const FULL = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
const UNKNOWN = "–";

export const number = (count) => NUMBER.format(count);

export const short = (count) => SHORT.format(count);

export const plural = (count, noun, nouns = `${noun}s`) => `${number(count)} ${count === 1 ? noun : nouns}`;

/** Per minute, or per second: small ones keep a digit. */
export const rate = (value) => (value === 0 || value >= 10 ? number(Math.round(value)) : value.toFixed(1));

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds <= 0) return "0 ms";
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return hours(Math.round(seconds / 60));
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

const hours = (minutes) => `${Math.floor(minutes / 60)} h ${minutes % 60} min`;

export const ago = (seconds) => (seconds < 1 ? "just now" : `${duration(seconds)} ago`);

export const clock = (at) => CLOCK.format(at * 1000);

export const fullTime = (at) => FULL.format(at * 1000);

/** "a, b and c". */
export function joined(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** A sentence with the places in it shortened likewise. */
export const shortPlaces = (sentence) => sentence.replace(/(?<![^\s("'])\/(?:[^\s/]+\/)+([^\s/]+\/[^\s/]+:\d+ in )/g, "$1");

/** "file:line in function" with the last two parts of the path only. */
export function shortPlace(place) {
  const [, path, rest] = /^(.*?)(:\d+ in .*)$/s.exec(place) ?? [null, place, ""];
  return path.split(/[\\/]/).slice(-2).join("/") + rest;
}
