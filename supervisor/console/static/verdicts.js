/** The verdicts on managers: each a word, a glyph and a colour, so that none of the three is needed alone. */

import { el, setAttribute, setText } from "./dom.js";
import { number } from "./format.js";

// In the order of a slot bar: what needs an act first.
const GLYPHS = {
  unresponsive: "!",
  condemned: "×",
  unknown: "?",
  stopping: "↓",
  disconnected: "○",
  idle: "–",
  starting: "+",
  busy: "›",
  healthy: "✓",
};

// The operator's word where it says more than ours.
const WORDS = { unresponsive: "stuck" };

export const HEALTHS = Object.keys(GLYPHS);

export const glyph = (health) => GLYPHS[health] ?? "?";

export const word = (health) => WORDS[health] ?? health;

export const worstFirst = (a, b) => HEALTHS.indexOf(a.health) - HEALTHS.indexOf(b.health);

export function chip(health) {
  const node = el("span.chip", {}, el("span.chip-glyph", { "aria-hidden": "true" }), el("span", {}));
  setChip(node, health);
  return node;
}

export function setChip(node, health) {
  setAttribute(node, "data-health", health);
  setText(node.firstChild, glyph(health));
  setText(node.lastChild, word(health));
}

/** [["unresponsive", 18], ["healthy", 2]]: those that occur, in order. */
export function counted(managers) {
  const count = (health) => managers.filter((manager) => manager.health === health).length;
  return HEALTHS.map((health) => [health, count(health)]).filter(([, many]) => many > 0);
}

/** "18 stuck, 2 healthy". */
export const sumUp = (managers) => counted(managers).map(([health, many]) => `${number(many)} ${word(health)}`).join(", ");
