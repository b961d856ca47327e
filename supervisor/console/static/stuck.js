/** Who is stuck now: by user, and for each user by the line on which they hang. */

import { CleanupPanel } from "./cleanup.js";
import { Keyed, arrange, byId, el, icon, setText } from "./dom.js";
import { duration, number, plural } from "./format.js";
import { nameNode, plainName, userHash, userLink } from "./names.js";
import { showPlace } from "./places.js";
import { unknownCount, unknownSentence } from "./standing.js";

const MOST_USERS = 20;
const MOST_KEYS = 20;
// So few need no opening.
const FEW_KEYS = 3;

export class Stuck {
  #keyed = new Keyed(byId("stuck-list"));
  #panels = new Map();
  #lines = new Map();
  #last = new Map();

  see({ survey }) {
    const now = survey === null ? [] : byUser(survey);
    const shown = [...now.slice(0, MOST_USERS), ...this.#beingRead(now)];
    this.#last = new Map(shown.map((group) => [group.user, group]));
    this.#keyed.show(shown, {
      key: ({ user }) => user,
      make: (group) => this.#make(group),
      update: (node, group) => this.#update(node, group),
    });
    for (const user of [...this.#panels.keys()]) if (!this.#last.has(user)) this.#forget(user);
    byId("stuck-none").hidden = shown.length > 0;
    setText(byId("stuck-none"), nobody(survey));
    setText(byId("stuck-more"), now.length > MOST_USERS ? `and ${plural(now.length - MOST_USERS, "more user")}` : "");
  }

  /** Those that are stuck no more, but on whom somebody reads a report. */
  #beingRead(now) {
    const here = new Set(now.slice(0, MOST_USERS).map(({ user }) => user));
    return [...this.#last.values()]
      .filter(({ user }) => !here.has(user) && this.#panels.get(user)?.isOpen)
      .map((group) => ({ ...group, stuck: 0, places: [] }));
  }

  #forget(user) {
    this.#panels.delete(user);
    this.#lines.delete(user);
  }

  #make({ user }) {
    const look = el("a.button", { href: userHash(user), "aria-label": `Look at ${plainName(user)}` }, "Look");
    const panel = new CleanupPanel({ user, before: look });
    const lines = el("ul.hangs", {});
    this.#panels.set(user, panel);
    this.#lines.set(user, new Keyed(lines));
    return el("li.stuck", { "data-user": user.slice(0, 200) },
      el("div.stuck-head", {},
        el("h3", {}, userLink(user)),
        el("span.stuck-count", {})),
      lines,
      el("p.unsaid.muted", { hidden: true }, "On which lines, the user's own view says."),
      panel.element);
  }

  #update(node, { user, stuck, held, limit, places }) {
    const count = `${number(stuck)} stuck, ${number(held)} of ${plural(limit, "slot")} held`;
    setText(node.querySelector(".stuck-count"), stuck > 0 ? count : "not stuck any more");
    node.classList.toggle("over", stuck === 0);
    // A survey names a hundred stuck managers at most.
    node.querySelector(".unsaid").hidden = stuck === 0 || places.length > 0;
    this.#lines.get(user).show(places, { key: ({ where }) => where, make: makeLine, update: updateLine });
  }
}

function nobody(survey) {
  if (survey === null) return "Nobody has been looked at yet.";
  return unknownCount(survey) > 0 ? unknownSentence(survey) : "Nobody is stuck.";
}

/** Users with the most stuck first; each with the places where they hang, the most frequent first. */
export function byUser({ stuck, stuck_users: users }) {
  const places = new Map(users.map(({ user }) => [user, new Map()]));
  for (const manager of stuck) {
    const here = places.get(manager.user);
    if (!here) continue;
    if (!here.has(manager.where)) here.set(manager.where, { where: manager.where, managers: [] });
    here.get(manager.where).managers.push(manager);
  }
  const most = (a, b) => b.managers.length - a.managers.length;
  return users.map((group) => ({ ...group, places: [...places.get(group.user).values()].sort(most) }));
}

const makeLine = () =>
  el("li.hang", {},
    el("div.hang-head", {}, el("strong.many", {}), el("div.place-holder", {}), el("span.since", {})),
    el("p.evidence", {}),
    el("details.keys", {}, el("summary", {}, icon("chevron"), el("span", {})), el("ul.key-list", {})),
    el("ul.key-list.few", {}));

function updateLine(node, { managers }) {
  const [first] = managers;
  const longest = Math.max(...managers.map((manager) => manager.phase_for ?? manager.age));
  setText(node.querySelector(".many"), `${number(managers.length)} ×`);
  showPlace(node.querySelector(".place-holder"), first);
  setText(node.querySelector(".since"), `for ${duration(longest)}`);
  setText(node.querySelector(".evidence"), first.evidence);
  const few = managers.length <= FEW_KEYS;
  node.querySelector(".keys").hidden = few;
  node.querySelector(".few").hidden = !few;
  setText(node.querySelector(".keys summary span"), plural(managers.length, "key"));
  showKeys(node.querySelector(few ? ".few" : ".keys .key-list"), managers);
}

function showKeys(list, managers) {
  const said = JSON.stringify(managers.map(({ key, incarnation }) => [key, incarnation]));
  if (list.dataset.said === said) return;
  list.dataset.said = said;
  const rest = managers.length - MOST_KEYS;
  arrange(list, [
    ...managers.slice(0, MOST_KEYS).map(({ key }) => el("li", {}, nameNode(key))),
    ...(rest > 0 ? [el("li.muted", {}, `and ${rest} more`)] : []),
  ]);
}
