/** A question before an act that cannot be taken back. Escape means no, and focus returns to where it was. */

import { byId, setText } from "./dom.js";

/** Resolves to whether it was confirmed. `act` is the word on the button. */
export function confirm({ title, text, act }) {
  const dialog = byId("confirm");
  setText(byId("confirm-title"), title);
  setText(byId("confirm-text"), text);
  setText(byId("confirm-act"), act);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

byId("confirm-act").addEventListener("click", () => byId("confirm").close("yes"));
byId("confirm-no").addEventListener("click", () => byId("confirm").close());
