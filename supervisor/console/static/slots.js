/** A user's slots as a bar of cells: who holds them, the worst first, and what is free. */

import { el, replace } from "./dom.js";
import { number, plural } from "./format.js";
import { chip, counted, glyph, sumUp, worstFirst } from "./verdicts.js";

// More cells than this are no picture any more; the legend counts them all.
const MOST_CELLS = 100;

export class SlotBar {
  #cells = el("div.slots", { role: "img" });
  #legend = el("ul.legend", {});
  element = el("div.slot-bar", {}, this.#cells, this.#legend);

  /** `held` slots of `limit`; the condemned within their allowance hold none, and are counted beside. */
  show({ managers, held, limit, condemned }) {
    const free = Math.max(0, limit - held);
    const holders = [...managers].sort(worstFirst);
    const cells = [...holders.map(({ health }) => cell(health)), ...Array(Math.min(free, MOST_CELLS)).fill().map(freeCell)];
    replace(this.#cells, ...cells.slice(0, MOST_CELLS));
    this.#cells.setAttribute("aria-label", `${plural(limit, "slot")}: ${sumUp(managers) || "none held"}, ${number(free)} free`);
    replace(this.#legend, ...counted(managers).map(entry), free > 0 && entry(["free", free]), ...condemnedEntry(condemned));
  }
}

const cell = (health) => el("span.cell", { "data-health": health }, glyph(health));

const freeCell = () => el("span.cell", { "data-health": "free" });

const freeChip = () => el("span.chip", { "data-health": "free" }, "free");

const entry = ([health, many]) => el("li", {}, el("strong", {}, number(many)), health === "free" ? freeChip() : chip(health));

function condemnedEntry(condemned) {
  if (condemned.length === 0) return [];
  return [el("li", {}, el("strong", {}, number(condemned.length)), chip("condemned"), el("span.muted", {}, "beside the slots"))];
}
