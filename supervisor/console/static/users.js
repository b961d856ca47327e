/** All users: searched by text, a page at a time. */

import { getUsers } from "./api.js";
import { Keyed, byId, el, setText } from "./dom.js";
import { number, plural } from "./format.js";
import { userLink } from "./names.js";

const PAGE = 50;
// Milliseconds.
const AGAIN = 3000;
const TYPING = 200;

export class Users {
  #keyed = new Keyed(byId("users-rows"));
  #starts = [0];
  #next = null;
  #asked = 0;
  #timer = 0;
  #typing = 0;

  constructor() {
    byId("users-search").addEventListener("input", () => this.#soon());
    byId("users-at-limit").addEventListener("change", () => this.#begin());
    byId("users-next").addEventListener("click", () => this.#turn([...this.#starts, this.#next]));
    byId("users-back").addEventListener("click", () => this.#turn(this.#starts.slice(0, -1)));
    byId("users-form").addEventListener("submit", (event) => event.preventDefault());
  }

  show() {
    this.#load();
    this.#timer = setInterval(() => document.hidden || this.#load(), AGAIN);
  }

  hide() { clearInterval(this.#timer); }

  #soon() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#begin(), TYPING);
  }

  #begin() { this.#turn([0]); }

  async #turn(starts) {
    this.#starts = starts;
    await this.#load();
    // The button may have gone dead under the finger.
    if (document.activeElement === document.body) byId("users-title").focus();
  }

  async #load() {
    const asked = ++this.#asked;
    const search = byId("users-search").value;
    try {
      const answer = await getUsers({ search, start: this.#starts.at(-1), count: PAGE, atLimit: byId("users-at-limit").checked });
      if (asked === this.#asked) this.#show(answer, search);
    } catch (error) {
      if (asked === this.#asked) setText(byId("users-said"), error.message);
    }
  }

  #show({ users, next, total }, search) {
    this.#next = next;
    const start = this.#starts.at(-1);
    this.#keyed.show(users.slice(0, PAGE), { key: ({ user }) => user, make, update });
    byId("users-table").hidden = users.length === 0;
    byId("users-next").disabled = next === null;
    byId("users-back").disabled = this.#starts.length < 2;
    setText(byId("users-said"), users.length === 0 ? nobody(search) : range(start, users.length, total));
  }
}

const nobody = (search) => (search ? `Nobody's name contains “${search.slice(0, 60)}”.` : "Nobody is here.");

const range = (start, many, total) =>
  `${number(start + 1)} to ${number(start + many)}${total === null ? "" : ` of ${plural(total, "user")}`}`;

const make = ({ user }) =>
  el("tr", {},
    el("th", { scope: "row" }, userLink(user)),
    el("td.use", {}, el("span.meter", { "aria-hidden": "true" }, el("span", {})), el("span.held", {})),
    el("td.waiting", {}),
    el("td.condemned-cell", {}));

function update(node, { held, limit, waiting, condemned }) {
  setText(node.querySelector(".held"), `${number(held)} / ${number(limit)}`);
  node.querySelector(".meter span").style.width = `${limit > 0 ? Math.min(100, (100 * held) / limit) : 100}%`;
  node.querySelector(".use").dataset.level = held >= limit ? "watch" : "calm";
  setText(node.querySelector(".waiting"), number(waiting));
  setText(node.querySelector(".condemned-cell"), number(condemned));
}
