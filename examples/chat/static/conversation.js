/** The middle of the page: the messages of the active room, kept at their end unless somebody reads back. */

import { makeCard, updateCard } from "./card.js";
import { Keyed, avatar, byId, el, icon, setAttribute } from "./dom.js";
import { clock, dayName, fullTime } from "./format.js";

// Nearer to the end than this counts as "at the end".
const NEAR_END = 80;
const FLASH = 1600;
// A screen reader looks at the page a moment after it has changed.
const SETTLED_AFTER = 300;

const TICKS = {
  sending: () => icon("clock", "Sending"),
  stored: () => icon("check", "Stored"),
  failed: () => icon("alert", "Not sent"),
  theirs: () => null,
};

export class Conversation {
  #scroller = byId("scroller");
  #list = byId("messages");
  #jump = byId("jump");
  #keyed = new Keyed(this.#list);
  #room = null;
  #newest = null;
  #atEnd = true;
  #height = 0;
  #settleTimer = 0;

  /** `acts`: retry(id), discard(id), source(source); `backlog`: so many messages a newcomer to a room is sent. */
  constructor({ backlog, ...acts }) {
    Object.assign(this, { acts, backlog });
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#jump.addEventListener("click", () => this.toEnd({ smooth: true }));
    // The composer grows, the keyboard opens, the window turns: whoever was at the end stays there.
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  show(room, items, user) {
    const switched = room !== this.#room;
    if (switched) this.#change(room);
    this.#showHead(room);
    this.#keyed.show(items, {
      key: (item) => item.key,
      make: (item) => this.#make(item),
      update: (node, item) => UPDATES[item.kind]?.(node, item),
    });
    const newest = items.at(-1)?.key;
    const own = newest !== this.#newest && items.at(-1)?.message?.user === user;
    this.#newest = newest;
    if (switched || own || this.#atEnd) this.toEnd();
    if (room.caughtUp) this.#settleTimer ||= setTimeout(() => setAttribute(this.#list, "aria-busy", "false"), SETTLED_AFTER);
  }

  toEnd({ smooth = false } = {}) {
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior: smooth ? gently() : "instant" });
  }

  /** Scroll to a message and let it shine; false if this page does not have it. */
  reveal(seq) {
    const node = this.#list.querySelector(`.message[data-seq="${Number(seq)}"]`);
    if (!node) return false;
    node.scrollIntoView({ block: "center", behavior: gently() });
    node.classList.add("flash");
    setTimeout(() => node.classList.remove("flash"), FLASH);
    return true;
  }

  /** Another room is no news: aria-busy keeps a screen reader from reading all of it out, until it is in. */
  #change(room) {
    this.#room = room;
    this.#atEnd = true;
    clearTimeout(this.#settleTimer);
    this.#settleTimer = 0;
    setAttribute(this.#list, "aria-busy", "true");
    this.#keyed.clear();
  }

  #showHead(room) {
    const head = byId("history-head");
    const first = room.messages[0]?.seq;
    head.hidden = !room.joined && first === undefined;
    byId("history-room").textContent = room.name;
    byId("history-text").textContent =
      first === undefined ? "Nobody has said anything here yet. Be the first."
      : room.beganHere(this.backlog) ? "This is where the room began."
      : "What was said before is not shown here. The assistant can search it.";
  }

  #resized() {
    this.#height = this.#scroller.clientHeight;
    if (this.#atEnd) this.toEnd();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // A changing height scrolls by itself; that is nobody reading back.
    if (clientHeight !== this.#height) return;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    this.#jump.hidden = this.#atEnd;
  }

  #make(item) {
    if (item.kind === "day") return el("div.day", { role: "separator" }, el("span", {}, dayName(item.at)));
    if (item.kind === "new") return el("div.day.new", { role: "separator" }, el("span", {}, "New"));
    if (item.kind === "card") return makeCard(item.card, { onSource: this.acts.source });
    return this.#makeMessage(item);
  }

  #makeMessage({ message, state }) {
    const own = state !== "theirs";
    return el(own ? "article.message.own" : "article.message", { "data-user": message.user, "data-id": message.id },
      !own && avatar(message.user),
      el("div.body", {},
        el("bdi.author", {}, message.user),
        el("div.bubble", { dir: "auto" },
          el("span.text", {}, message.text),
          el("span.meta", {}, el("time", {}), el("span.tick", {}))),
        own && this.#makeFailure(message.id)));
  }

  #makeFailure(id) {
    return el("div.failure", { hidden: true },
      el("span.failure-text", {}),
      el("span.failure-acts", {},
        el("button.link", { type: "button", onclick: () => this.acts.retry(id) }, "Try again"),
        el("button.link", { type: "button", onclick: () => this.acts.discard(id) }, "Discard")));
  }
}

/** For some, a page that glides makes sick. */
const gently = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth");

const UPDATES = { card: (node, { card }) => updateCard(node, card), message: updateMessage };

function updateMessage(node, { message, state, first }) {
  setAttribute(node, "data-seq", message.seq);
  node.classList.toggle("first", first);
  node.classList.toggle("pending", state === "sending");
  node.classList.toggle("failed", state === "failed");
  if (node.at !== message.at) updateTime(node, message.at);
  if (node.state !== state) updateState(node, state, message.sentence);
}

function updateTime(node, at) {
  node.at = at;
  const time = node.querySelector("time");
  time.textContent = clock(at);
  setAttribute(time, "datetime", new Date(at * 1000).toISOString());
  setAttribute(time, "title", fullTime(at));
}

function updateState(node, state, sentence) {
  node.state = state;
  node.querySelector(".tick").replaceChildren(...[TICKS[state]()].filter(Boolean));
  const failure = node.querySelector(".failure");
  if (!failure) return;
  failure.hidden = state !== "failed";
  failure.querySelector(".failure-text").textContent = sentence ?? "";
}
