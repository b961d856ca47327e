/** What stands left and right of the conversation: drawers where the page is narrow, and the sessions panel. */

import { byId, setAttribute } from "./dom.js";

// The widths at which style.css turns the sides into drawers.
const WIDE = matchMedia("(min-width: 1080px)");
const NARROW = matchMedia("(max-width: 759.98px)");
const PARTS = { rooms: "sidebar", side: "side" };

export class Sides {
  #app = byId("app");
  #opener = null;

  constructor({ onSessionsOpen }) {
    this.onSessionsOpen = onSessionsOpen;
    const close = () => this.closeDrawer();
    byId("rooms-toggle").addEventListener("click", () => this.#openDrawer("rooms"));
    byId("members-toggle").addEventListener("click", () => this.#openDrawer("side"));
    byId("sessions-toggle").addEventListener("click", () => this.#toggleSessions());
    byId("sessions-close").addEventListener("click", () => this.#closeSessions());
    byId("scrim").addEventListener("click", close);
    for (const button of document.querySelectorAll(".drawer-close")) button.addEventListener("click", close);
    for (const width of [WIDE, NARROW]) width.addEventListener("change", close);
    document.addEventListener("keydown", (event) => event.key === "Escape" && close());
    for (const part of ["sessions", "sessions-toggle"]) {
      byId(part).addEventListener("keydown", (event) => event.key === "Escape" && this.#closeSessions());
    }
  }

  closeDrawer() {
    const { drawer } = this.#app.dataset;
    if (!drawer) return;
    delete this.#app.dataset.drawer;
    if (drawer === "side") this.#showSessions(false);
    this.#shield();
    this.#opener?.focus();
  }

  closeAll() {
    this.closeDrawer();
    this.#showSessions(false);
  }

  /** What lies under a drawer is out of reach for keyboard and screen reader too. */
  #shield() {
    const { drawer } = this.#app.dataset;
    for (const part of ["sidebar", "conversation", "side"]) {
      byId(part).inert = drawer !== undefined && part !== PARTS[drawer];
    }
  }

  #openDrawer(name, closer = `#${PARTS[name]} .drawer-close`) {
    this.#opener = document.activeElement;
    this.#app.dataset.drawer = name;
    this.#shield();
    document.querySelector(closer).focus();
  }

  #toggleSessions() {
    const opening = byId("sessions").hidden;
    this.#showSessions(opening);
    if (opening && !WIDE.matches) this.#openDrawer("side", "#sessions-close");
  }

  #closeSessions() {
    this.closeAll();
    byId("sessions-toggle").focus();
  }

  #showSessions(open) {
    byId("sessions").hidden = !open;
    this.#app.classList.toggle("with-sessions", open);
    setAttribute(byId("sessions-toggle"), "aria-expanded", String(open));
    if (open) this.onSessionsOpen();
  }
}
