/** One's own sessions with their states, as the server sees them; polled while somebody looks. */

import { loadSessions, wedge } from "./api.js";
import { Keyed, byId, el, setAttribute, setText } from "./dom.js";
import { duration, plural } from "./format.js";

const POLL_EVERY = 3000;
const DRILL = "Makes this session's manager hang, as a bug would; when its slot is needed it is found by evidence and reaped.";

export class SessionsPanel {
  #keyed = new Keyed(byId("sessions-list"));
  #visible = () => false;
  #asking = false;

  /** `isVisible()` says whether anybody looks; `onAnswer(answer)` hears each answer, `onError(error)` each failure. */
  constructor({ identity, isVisible, onAnswer, onError }) {
    Object.assign(this, { identity, onAnswer, onError });
    this.#visible = () => isVisible() && !document.hidden;
    byId("sessions-drill").textContent = DRILL;
    setInterval(() => this.poll(), POLL_EVERY);
  }

  async poll() {
    // One question at a time: a slow server must not be asked by a growing crowd.
    if (!this.#visible() || this.#asking) return;
    this.#asking = true;
    try {
      this.#show(await loadSessions(this.identity.token));
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#asking = false;
    }
  }

  #show(answer) {
    const { limit, sessions } = answer;
    setText(byId("sessions-problem"), "");
    setText(byId("sessions-used"), `${sessions.length} of ${plural(limit, "slot")} taken`);
    const meter = byId("sessions-meter");
    meter.classList.toggle("full", sessions.length >= limit);
    meter.firstElementChild.style.width = `${limit ? Math.min(100, (100 * sessions.length) / limit) : 100}%`;
    this.#keyed.show(this.#sorted(sessions), {
      key: ({ session }) => session,
      make: (item) => this.#make(item),
      update,
    });
    this.onAnswer(answer);
  }

  #sorted(sessions) {
    const own = ({ session }) => Number(session === this.identity.session);
    return [...sessions].sort((a, b) => own(b) - own(a));
  }

  #make({ session }) {
    const ours = session === this.identity.session;
    return el("li.session", { "data-session": session },
      el("div.session-head", {},
        stateChip("unknown"),
        ours && el("span.this-tab", {}, "this tab"),
        el("code.session-id", { title: session }, session.slice(0, 8))),
      el("p.evidence", {}),
      el("div.session-foot", {},
        el("span.session-facts", {}),
        el("button.wedge", {
          type: "button", title: DRILL, "aria-describedby": "sessions-drill",
          "aria-label": `Wedge session ${session.slice(0, 8)} (drill)`,
          onclick: (event) => this.#wedge(session, event.currentTarget),
        }, "Wedge (drill)")));
  }

  async #wedge(session, button) {
    button.disabled = true;
    try {
      await wedge(this.identity.token, session);
      setText(byId("sessions-problem"), "");
    } catch (error) {
      this.#failed(error);
    } finally {
      button.disabled = false;
    }
    await this.poll();
  }

  #failed(error) {
    setText(byId("sessions-problem"), error.message);
    this.onError(error);
  }
}

function update(node, { state, evidence, connections, age }) {
  setAttribute(node, "data-state", state);
  setText(node.querySelector(".chip"), state);
  setAttribute(node.querySelector(".chip"), "data-state", state);
  setText(node.querySelector(".evidence"), evidence);
  setText(node.querySelector(".session-facts"), `${plural(connections, "connection")} · ${duration(age)} old`);
}

export const stateChip = (state) => el("span.chip", { "data-state": state }, state);
