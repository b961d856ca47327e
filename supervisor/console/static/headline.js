/** The first line of the console. */

import { byId, el, replace, setText } from "./dom.js";
import { userLink } from "./names.js";
import { standing } from "./standing.js";

// Characters of a name that it has room for.
const NAME = 24;

export class Headline {
  #line = byId("headline");

  see(overview) {
    const { sentences, detail } = standing(overview);
    setText(byId("headline-detail"), detail);
    const said = JSON.stringify(sentences);
    if (this.#line.dataset.said === said) return;
    this.#line.dataset.said = said;
    const focused = this.#line.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    replace(this.#line, ...sentences.flatMap(({ level, words }) => [el("span", { "data-level": level }, ...words.map(asNode)), " "]));
    if (focused) [...this.#line.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  }
}

const asNode = (word) => (typeof word === "string" ? word : userLink(word.user, { most: NAME }));
