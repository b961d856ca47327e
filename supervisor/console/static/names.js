/** Names of users and keys: any string at all. They are shown as text, what cannot be seen being written out. */

import { el, setAttribute } from "./dom.js";
import { number } from "./format.js";

// What would be invisible, or would turn the text around it; but the joiner that emoji are made with.
const UNSEEN = /(?!\u200d)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

// So much of a long name is enough to know it by; the rest is a title, or in the user's own view.
export const MOST = 80;
const MOST_IN_TITLE = 1000;

export const userHash = (name) => `#/user/${encodeURIComponent(name.toWellFormed())}`;

/** As one plain line, for titles, labels and sentences. */
export function plainName(name, most = MOST) {
  const cut = clipped(name, most);
  return written(cut) + (cut.length < name.length ? "…" : "");
}

const written = (text) => text.replace(UNSEEN, escaped);

const escaped = (mark) => SHORT[mark] ?? `\\u{${mark.codePointAt(0).toString(16)}}`;

/** Whole characters only: half of a pair would be shown as an escape. */
const clipped = (name, most) => (name.length <= most ? name : [...name.slice(0, 2 * most)].slice(0, most).join(""));

/** A name on its own line of text, isolated from what stands around it. */
export function nameNode(name, { most = MOST } = {}) {
  const cut = clipped(name, most);
  const title = cut.length < name.length ? plainName(name, MOST_IN_TITLE) : null;
  const node = el("bdi.name", { title });
  if (name === "") node.append(el("span.escape", {}, "empty name"));
  let from = 0;
  for (const found of cut.matchAll(UNSEEN)) {
    node.append(cut.slice(from, found.index), el("span.escape", {}, escaped(found[0])));
    from = found.index + found[0].length;
  }
  node.append(cut.slice(from));
  if (title !== null) node.append("…", el("span.length", {}, ` ${number(name.length)} characters`));
  return node;
}

/** A link to the user's view. */
export function userLink(name, { most = MOST, ...attributes } = {}) {
  const link = el("a.user", attributes, nameNode(name, { most }));
  setAttribute(link, "href", userHash(name));
  return link;
}
