/** Whoever may not look is told why, and what he can do about it. */

import { useToken } from "./api.js";
import { byId, setText } from "./dom.js";

export class Refused {
  /** `onToken()`: a token was given; try it. */
  constructor({ onToken }) {
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      useToken(byId("token").value);
      onToken();
    });
  }

  show(why) {
    document.body.dataset.refused = "true";
    setText(byId("refused-why"), why);
    setText(byId("refused-tunnel"), `ssh -L ${location.port || 8000}:127.0.0.1:${location.port || 8000} ${location.hostname}`);
  }

  hide() { delete document.body.dataset.refused; }
}
