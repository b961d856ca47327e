/** What stands in the conversation, in which order: messages, days, cards, own unsent ones. Pure. */

// A pause longer than this starts a new group, with name and face.
const GROUP_WITHIN = 5 * 60;

export function timeline({ room, user, entries, cards, newFrom }) {
  const waiting = new Map(entries.map((entry) => [entry.id, entry]));
  const stored = room.messages.map((message) => asItem(message, stateOf(message, user, waiting)));
  const unshown = entries.filter((entry) => !entry.shown).map((entry) => asItem({ ...entry, user }, entry.state));
  return [...decorated([...withCards(stored, cards), ...unshown], newFrom)];
}

/** The key is the same before and after the server has the message, so its node stays where it is. */
function asItem(message, state) {
  const key = message.id ? `m:${message.user}:${message.id}` : `s:${message.seq}`;
  return { kind: "message", key, message, state };
}

function stateOf(message, user, waiting) {
  if (message.user !== user) return "theirs";
  return waiting.get(message.id)?.state ?? "stored";
}

function withCards(items, cards) {
  const result = [...items];
  for (const card of cards) {
    const place = result.findIndex((item) => item.kind === "message" && item.message.seq > card.afterSeq);
    result.splice(place < 0 ? result.length : place, 0, { kind: "card", key: `c:${card.id}`, card });
  }
  return result;
}

function* decorated(items, newFrom) {
  let day = null;
  let previous = null;
  let marked = newFrom === null;
  for (const item of items) {
    const { message } = item;
    if (message && dayOf(message) !== day) {
      day = dayOf(message);
      previous = null;
      yield { kind: "day", key: `d:${item.key}`, at: message.at };
    }
    if (message && !marked && message.seq >= newFrom) {
      marked = true;
      previous = null;
      yield { kind: "new", key: "new" };
    }
    yield message ? { ...item, first: startsGroup(message, previous) } : item;
    previous = message ?? null;
  }
}

const dayOf = (message) => new Date(message.at * 1000).toDateString();

function startsGroup(message, previous) {
  return previous?.user !== message.user || message.at - previous.at > GROUP_WITHIN;
}
