/** The field at the bottom: say or ask, with a draft per room and the limit said before the server has to. */

import { byId, setAttribute, setText } from "./dom.js";

// The counter shows up only when it begins to matter.
const COUNT_FROM = 0.8;
const NOTICE_SHOWN = 12_000;

export class Composer {
  #form = byId("composer");
  #text = byId("composer-text");
  #toggle = byId("ask-toggle");
  #noticeTimer = 0;

  /** `acts`: say(text) and ask(text), false if not taken; typing(). */
  constructor({ limit, acts }) {
    Object.assign(this, { limit, acts });
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    this.#text.addEventListener("input", () => this.#input());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#toggle.addEventListener("click", () => this.#setAsking(!this.asking));
    byId("notice-close").addEventListener("click", () => this.clearNotice());
  }

  get asking() { return this.#toggle.getAttribute("aria-pressed") === "true"; }

  get draft() { return this.#text.value; }

  showRoom(name, draft) {
    this.room = name;
    this.#text.value = draft;
    this.#words();
    this.#fit();
  }

  enable(enabled) { for (const field of this.#form.elements) field.disabled = !enabled; }

  focus() {
    // On a phone focus opens the keyboard over what one came to read.
    if (matchMedia("(pointer: fine)").matches) this.#text.focus();
  }

  notice(sentence) {
    clearTimeout(this.#noticeTimer);
    setText(byId("notice-text"), sentence);
    byId("notice").hidden = false;
    this.#noticeTimer = setTimeout(() => this.clearNotice(), NOTICE_SHOWN);
  }

  clearNotice() {
    byId("notice").hidden = true;
    setText(byId("notice-text"), "");
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#text.value;
    if (!/\S/u.test(text)) return;
    if (lengthOf(text) > this.limit) {
      return this.notice(`That is ${lengthOf(text) - this.limit} characters too long; ${this.limit} is the limit.`);
    }
    const taken = this.asking ? this.acts.ask(text) : this.acts.say(text);
    if (taken === false) return;
    this.#text.value = "";
    this.clearNotice();
    this.#fit();
    this.#text.focus();
  }

  #key(event) {
    // While an input method composes, Enter chooses a word and sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #input() {
    this.#fit();
    if (!this.asking && this.#text.value !== "") this.acts.typing();
  }

  #setAsking(asking) {
    setAttribute(this.#toggle, "aria-pressed", String(asking));
    this.#form.classList.toggle("asking", asking);
    this.#words();
    this.#text.focus();
  }

  #words() {
    const what = this.asking ? "Ask the assistant what was said" : `Message ${this.room}`;
    this.#text.placeholder = this.asking ? `${what}…` : what;
    setAttribute(this.#text, "aria-label", what);
    setAttribute(byId("composer-send"), "aria-label", this.asking ? "Ask" : "Send");
  }

  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
    const length = lengthOf(this.#text.value);
    const counter = byId("counter");
    counter.hidden = length < this.limit * COUNT_FROM;
    counter.classList.toggle("over", length > this.limit);
    setText(counter, `${length} / ${this.limit}`);
  }
}

/** In code points, as the server counts. */
const lengthOf = (text) => [...text].length;
