/** Where code hangs: the line in short, and with one press the whole path and the stack. */

import { el, icon } from "./dom.js";
import { shortPlace } from "./format.js";

/** A line that opens to its stack; just the line where there is no more to say than it says. */
export function placeNode({ where, stack }) {
  const short = el("code.place", {}, ...lineParts(where ? shortPlace(where) : "no line is known"));
  if (!where && stack.length === 0) return el("p.where", {}, short);
  return el("details.where", {},
    el("summary", {}, icon("chevron"), short),
    el("div.stack", { role: "group", "aria-label": "Stack" },
      el("p.muted", {}, "Where it waits, from the outside in"),
      el("ol", {}, ...(stack.length > 0 ? stack : [where]).map((line) => el("li", {}, el("code", {}, line))))));
}

/** "file:line", then "in function": a narrow window breaks it there. */
function lineParts(line) {
  const [, file, rest] = /^(.*?)( in .*)?$/s.exec(line);
  return [el("span", {}, file), " ", rest && el("span", {}, rest.trim())].filter(Boolean);
}

/** Keeps a place in `holder` up to date; an open one stays open while its line stays the same. */
export function showPlace(holder, manager) {
  const said = JSON.stringify([manager.where, manager.stack]);
  if (holder.dataset.said === said) return;
  const open = holder.querySelector("details")?.open ?? false;
  holder.dataset.said = said;
  const place = placeNode(manager);
  holder.replaceChildren(place);
  if (place.localName === "details") place.open = open;
}
