/** The operations API, relative to this page. What goes wrong comes back as an ApiError with a sentence for people. */

import { tab } from "./keep.js";

// Milliseconds. What is done may wait for managers' graces; what is asked is answered at once.
const TIMEOUT = 15_000;
const ACT_TIMEOUT = 120_000;
export const FORBIDDEN = 403;
export const NOT_FOUND = 404;

export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

export const getHistory = () => get("history");
export const getEvents = (last) => get("events", { last });
/** The last in which something was done about somebody: they are kept for longer. */
export const getActs = (last) => get("events", { last, acts: 1 });
export const getUsers = ({ search, start, count, atLimit }) =>
  get("users", { search, start, count, ...(atLimit ? { at_limit: 1 } : {}) });
export const getUser = (name) => get("user", { name });
export const getNodes = () => get("nodes");
/** Their managers on all nodes. */
export const getWhere = (name) => get("where", { name });
/** Those after one of that number, newest first, without their proofs. */
export const getRefusals = (since) => get("refusals", { since, brief: 1 });
/** One of them, with its whole proof. */
export const getRefusal = (seq) => get("refusals", { seq });

/** `until` is the last stage that is run. A dry run touches nobody. */
export const cleanUp = (user, { until, dryRun }) => post("cleanup", { user, until, dry_run: dryRun });
/** Without an incarnation: whichever lives there; without a key: all of the user. */
export const stopManager = (user, key, incarnation) => post("stop", { user, key, incarnation });
export const setLimit = (user, limit) => post("limit", { user, limit });
export const setProbing = (on) => post("probing", { on });

/** The response whose body is the endless stream. */
export const openStream = (signal) => request("stream", { signal });

let token = tab.get("token");

/** For servers that ask for one; forgotten with the tab. */
export function useToken(text) {
  token = text;
  tab.set("token", text);
}

const get = async (path, query = {}) => {
  const asked = new URLSearchParams(query).toString();
  return (await request(asked ? `${path}?${asked}` : path, {})).json();
};

const post = async (path, body) => {
  const headers = { "Content-Type": "application/json" };
  const signal = AbortSignal.timeout(ACT_TIMEOUT);
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body), signal })).json();
};

async function request(path, { headers = {}, signal = AbortSignal.timeout(TIMEOUT), ...options }) {
  const all = token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
  const response = await reach(`api/${path}`, { ...options, headers: all, signal, cache: "no-store" });
  if (!response.ok) throw new ApiError(response.status, await sentenceOf(response));
  return response;
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    // Status 0: no answer at all, as opposed to an answer which says no.
    if (error.name === "TimeoutError") throw new ApiError(0, "No answer yet; what was begun goes on.");
    throw new ApiError(0, "The server cannot be reached.");
  }
}

async function sentenceOf(response) {
  const answer = await response.json().catch(() => null);
  return answer?.error ?? `The server answered ${response.status} ${response.statusText}.`;
}
