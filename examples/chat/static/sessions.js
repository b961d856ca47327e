/** One's own sessions with their states, as the server sees them; polled while somebody looks. */

import { endSession, loadSessions, wedge } from "./api.js";
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
    const short = session.slice(0, 8);
    return el("li.session", { "data-session": session },
      el("div.session-head", {},
        stateChip("unknown"),
        ours && el("span.this-tab", {}, "this tab"),
        el("code.session-id", { title: session }, short)),
      el("p.evidence", {}),
      el("div.session-foot", {},
        el("span.session-facts", {}),
        el("button.small.wedge", {
          type: "button", title: DRILL, "aria-describedby": "sessions-drill", "aria-label": `Wedge session ${short} (drill)`,
          onclick: (event) => this.#do(wedge, session, event.currentTarget),
        }, "Wedge (drill)"),
        el("button.small.danger.end", {
          type: "button", "aria-label": ours ? "End this tab's session" : `End session ${short}`,
          onclick: (event) => this.#do(endSession, session, event.currentTarget),
        }, "End")));
  }

  async #do(act, session, button) {
    button.disabled = true;
    try {
      await act(this.identity.token, session);
      setText(byId("sessions-problem"), "");
    } catch (error) {
      this.#failed(error);
    } finally {
      button.disabled = false;
    }
    button.focus();
    await this.poll();
    // The session went, and its button with it: whoever pressed it goes on from the head of the list.
    if (!button.isConnected) byId("sessions-title").focus();
  }

  #failed(error) {
    setText(byId("sessions-problem"), error.message);
    this.onError(error);
  }
}

function update(node, { state, evidence, age, wires, node: server }) {
  setAttribute(node, "data-state", state);
  setText(node.querySelector(".chip"), state);
  setAttribute(node.querySelector(".chip"), "data-state", state);
  setText(node.querySelector(".evidence"), evidence);
  setText(node.querySelector(".session-facts"), factsOf({ age, wires, server }));
}

/** What its evidence does not say: its age, where it is, and what its tabs have not read yet. */
function factsOf({ age, wires = [], server }) {
  const unread = wires.reduce((sum, wire) => sum + wire.queued_bytes, 0);
  return `${duration(age)} old${server ? ` · on ${server}` : ""}${unread > 0 ? ` · ${Math.ceil(unread / 1024)} KiB unread` : ""}`;
}

export const stateChip = (state) => el("span.chip", { "data-state": state }, state);
