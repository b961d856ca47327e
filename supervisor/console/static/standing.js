/** How it stands, and whom it is about, in one or two sentences. Pure. */

import { number, plural } from "./format.js";

// So many users are named; of more the first ones are, and the others counted.
const MOST_NAMES = 3;

/**
 * {sentences: [{level, words}], detail}: "act" wants somebody to do something, "calm" nothing.
 * Words are strings, or {user}.
 */
export function standing(overview) {
  const { counts, survey, at_limit: atLimit } = overview;
  const sentences = [];
  if (stuckCount(survey) > 0) sentences.push({ level: "act", words: stuckWords(survey) });
  if (unknownCount(survey) > 0) sentences.push({ level: "act", words: [unknownSentence(survey)] });
  if (atLimit.total > 0) sentences.push({ level: "calm", words: limitWords(atLimit) });
  if (sentences.length === 0) sentences.push({ level: "calm", words: [quiet(counts, survey)] });
  return { sentences, detail: detailOf(overview) };
}

export const stuckCount = (survey) => survey?.health.unresponsive ?? 0;

/** A stall of the loop voids all evidence: nobody is known to be stuck then, and that is no good news. */
export const unknownCount = (survey) => survey?.health.unknown ?? 0;

export const unknownSentence = (survey) => `${plural(unknownCount(survey), "manager")} cannot be judged yet: the event loop stood still.`;

function stuckWords(survey) {
  const stuck = stuckCount(survey);
  const users = survey.stuck_users;
  const begin = `${plural(stuck, "manager")} ${stuck === 1 ? "is" : "are"} stuck`;
  if (users.length === 0) return [`${begin}.`];
  if (users.length === 1) return [`${begin}, ${stuck === 1 ? "of" : "all of"} `, { user: users[0].user }, "."];
  return [`${begin}: `, ...named(users, users.length, (found) => [`${number(found.stuck)} of `, { user: found.user }]), "."];
}

function limitWords({ total, users }) {
  return [...named(users, total, ({ user }) => [{ user }]), ` ${total === 1 ? "is" : "are"} at the limit.`];
}

/** "a, b and 12 others". */
function named(users, total, words) {
  const shown = users.slice(0, total > MOST_NAMES ? MOST_NAMES - 1 : MOST_NAMES).map(words);
  if (total > shown.length) shown.push([plural(total - shown.length, shown.length > 0 ? "other" : "user")]);
  return shown.flatMap((each, place) => [place === 0 ? "" : place === shown.length - 1 ? " and " : ", ", ...each]);
}

function quiet({ users }, survey) {
  if (users === 0) return "Nobody is here.";
  return survey === null ? "Nobody is at the limit." : "Nobody is stuck, nobody is at the limit.";
}

function detailOf({ counts, survey, limit }) {
  const who = `${plural(counts.users, "user")}, ${plural(counts.managers, "manager")}`;
  const limits = limit === null ? "the limit is a function" : `${number(limit)} slots a user`;
  return [who, limits, surveyed(survey)].join(" · ");
}

const surveyed = (survey) => (survey === null ? "not surveyed yet" : `surveyed ${number(Math.round(survey.ago))} s ago`);
