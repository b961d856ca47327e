/** The page's few HTTP requests. What goes wrong comes back as an ApiError with a sentence for people. */

const TIMEOUT = 8000;
const NOT_FOUND = 404;
export const UNAUTHORIZED = 401;

export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export const loadConfig = () => request("/config.json");

export const logIn = (name) =>
  request("/login", { method: "POST", body: JSON.stringify({ name }) });

export const loadSessions = (token) => request("/sessions", { token });

/** Ended by then, or ending; false if there is no such session any more. */
export const endSession = (token, session) =>
  request("/sessions/end", { token, method: "POST", body: JSON.stringify({ session }) }).then(() => true, unlessGone);

/** The token is good for nothing from then on, also where somebody has a copy. */
export const logOut = (token) => request("/logout", { token, method: "POST", keepalive: true });

export const wedge = (token, session) =>
  request("/wedge", { token, method: "POST", body: JSON.stringify({ session }) });

async function request(path, { token, ...options } = {}) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await reach(path, { ...options, headers });
  if (!response.ok) throw new ApiError(response.status, await sentenceOf(response));
  return response.status === 204 ? null : response.json();
}

async function reach(path, options) {
  try {
    return await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT), ...options });
  } catch {
    // Status 0: no answer at all, as opposed to an answer which says no.
    throw new ApiError(0, "The server cannot be reached. Is it still running?");
  }
}

function unlessGone(error) {
  if (error.status === NOT_FOUND) return false;
  throw error;
}

async function sentenceOf(response) {
  const answer = await response.json().catch(() => null);
  return answer?.error ?? `The server answered ${response.status} ${response.statusText}.`;
}
