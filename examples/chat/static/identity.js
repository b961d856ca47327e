/** Who this tab is: name, token, session, rooms. In sessionStorage, so a reload stays in and a new tab is a new session. */

const KEY = "trouper.chat";
// A reload may still hold the old page's lock for a moment; a duplicated tab holds it for good.
const LOCK_PATIENCE = 700;

export class Identity {
  #facts = read();
  #claimed = null;

  get loggedIn() { return Boolean(this.#facts.token); }
  get user() { return this.#facts.user ?? ""; }
  get token() { return this.#facts.token; }
  get session() { return this.#facts.session; }
  get rooms() { return this.#facts.rooms ?? []; }
  get active() { return this.#facts.active; }
  get unsent() { return this.#facts.unsent ?? []; }
  /** By room: up to which seq it was read. */
  get read() { return this.#facts.read ?? {}; }

  logIn({ user, token }) {
    const same = user === this.user;
    if (!same) this.#facts = {};
    this.keep({ user, token, session: this.session ?? randomId() });
  }

  /** The token is no good any more; the rest stays, so that logging in again resumes. */
  dropToken() { this.keep({ token: undefined }); }

  forget() {
    this.#facts = {};
    sessionStorage.removeItem(KEY);
  }

  keep(facts) {
    this.#facts = { ...this.#facts, ...facts };
    sessionStorage.setItem(KEY, JSON.stringify(this.#facts));
  }

  /** "Duplicate tab" copies sessionStorage; two tabs must not be one session, so the copy takes a new one. */
  async claimSession() {
    if (this.#claimed === this.session) return;
    if (!(await lock(this.session))) {
      this.keep({ session: randomId(), unsent: [] });
      await lock(this.session);
    }
    this.#claimed = this.session;
  }
}

export function randomId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Plain http on anything but localhost is no secure context, and has no randomUUID.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/** Hold a name until this page goes away; false if another tab holds it. */
function lock(session) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const holdForever = () => {
      resolve(true);
      return new Promise(() => {});
    };
    const options = { signal: AbortSignal.timeout(LOCK_PATIENCE) };
    navigator.locks.request(`trouper.session.${session}`, options, holdForever).catch(() => resolve(false));
  });
}
