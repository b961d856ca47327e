/** What the end of a connection means: from its code and reason to a fate for the link and a sentence for people. Pure. */

/**
 * AGAIN: it comes back by itself. REFUSED: there was no slot, the panel tries again. ENDED: only a
 * person starts it again, for what ended it was meant or would happen again. LOGIN: the token is no good.
 */
export const AGAIN = "again";
export const REFUSED = "refused";
export const ENDED = "ended";
export const LOGIN = "login";

const SESSION_ENDED = /^session ended: (.*)$/s;

// Ended on purpose: coming back by itself would undo what somebody wanted. Every other end was none's wish.
const ON_PURPOSE = {
  stopped: "This session was ended on purpose, by you or by whoever runs the server.",
  evicted: "This session was ended to make room for another one of yours.",
  idle: "This session was ended because nothing had happened in it for long.",
};

const BY_ACCIDENT = {
  unresponsive: "This session hung, so the server ended it.",
  crashed: "This session crashed on the server.",
  shutdown: "The server is shutting down.",
  fenced: "The server lost touch with the other servers, so it let go of its sessions.",
};

// Of many servers: it is not that there is no slot, but that nobody can say so just now.
const UNDECIDED = /^The servers cannot agree|lives on another server/;

// An older server says 1008 about a token, too; any other 1008 is about what this tab does.
const ABOUT_TOKEN = /token|log(ged)? (in|out)/i;

const MEANINGS = {
  1001: goingAway,
  1008: (reason) => (ABOUT_TOKEN.test(reason) ? loggedOut(reason) : unwanted(reason)),
  1009: () => [AGAIN, "A message was too big for the server, so it closed the connection."],
  1011: (reason) => sessionEnded(reason) ?? [AGAIN, "Something went wrong inside the server."],
  1012: (reason) => sessionEnded(reason) ?? [AGAIN, "The server restarts."],
  1013: (reason) => [UNDECIDED.test(reason) ? AGAIN : REFUSED, reason],
  4001: loggedOut,
  4009: (reason) => [ENDED, reason || "This session had to make room for another one of yours."],
  4010: () => [ENDED, "This session goes on elsewhere: another tab has taken it, or it has moved to another server."],
  4008: () => [AGAIN, "This tab read too slowly, so the server let go of it."],
};

/**
 * `{fate, sentence, pause}`; `opened` says whether this attempt ever got through to the server. `pause`: in
 * how many milliseconds a server wants to see us again, so that not all come at once; or null.
 */
export function meaningOf({ code, reason = "", opened = true }) {
  const [fate, sentence] = MEANINGS[code]?.(reason) ?? [AGAIN, reason || wordless(code, opened)];
  const told = code === 1012 || code === 1013 ? /Retry in (\d+) s/.exec(reason) : null;
  return { fate, sentence, pause: told && 1000 * told[1] };
}

function goingAway(reason) {
  return sessionEnded(reason) ?? [AGAIN, BY_ACCIDENT.shutdown];
}

function sessionEnded(reason) {
  const why = SESSION_ENDED.exec(reason)?.[1];
  if (why === undefined) return null;
  if (Object.hasOwn(ON_PURPOSE, why)) return [ENDED, ON_PURPOSE[why]];
  return [AGAIN, BY_ACCIDENT[why] ?? `This session has ended on the server (${why}).`];
}

function loggedOut(reason) {
  if (/expired/i.test(reason)) return [LOGIN, "Your login has expired. Please log in again."];
  if (/invalid/i.test(reason)) return [LOGIN, "Your login is not valid here any more. Please log in again."];
  return [LOGIN, "You have been logged out. Please log in again."];
}

/** Coming back by itself it would do the same again. */
function unwanted(reason) {
  return [ENDED, `The server did not accept what this tab sent${reason ? `: ${reason}` : ""}.`.replace(/\.\.$/, ".")];
}

function wordless(code, opened) {
  if (!opened) return "The server cannot be reached.";
  return code === null || code === 1006 ? "The connection was cut off." : `The server closed the connection (code ${code}).`;
}
