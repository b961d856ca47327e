/** What is said to whoever works here: for the ear one sentence at a time, and for the eye what went wrong. */

import { byId, setText } from "./dom.js";

export const announce = (sentence) => setText(byId("said"), sentence);

/** An act, or a question, did not work. Stays until it is put away. */
export function complain(sentence) {
  setText(byId("notice-text"), sentence);
  byId("notice").hidden = false;
}

byId("notice-close").addEventListener("click", () => {
  byId("notice").hidden = true;
  byId("main").focus();
});
