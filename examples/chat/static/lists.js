/** The lists beside the conversation: rooms with what is unread, members with who is there. */

import { Keyed, avatar, byId, el, icon, setAttribute, setText } from "./dom.js";
import { badge, plural } from "./format.js";

export class RoomList {
  #keyed = new Keyed(byId("rooms"));

  /** `acts`: look(name), leave(name). */
  constructor(acts) { this.acts = acts; }

  show(rooms, active) {
    this.#keyed.show(rooms, {
      key: (room) => room.name,
      make: (room) => this.#make(room.name),
      update: (node, room) => update(node, room, room.name === active),
    });
  }

  #make(name) {
    return el("li.room", {},
      el("button.room-open", { type: "button", "data-room": name, onclick: () => this.acts.look(name) },
        el("span.hash", { "aria-hidden": "true" }, "#"),
        el("bdi.room-name", {}, name),
        el("span.unread", { hidden: true }, el("span", {}), el("span.visually-hidden", {}, " unread"))),
      el("button.room-leave.icon-button", {
        type: "button", "aria-label": `Leave ${name}`, title: `Leave ${name}`, onclick: () => this.#leave(name),
      }, icon("close")));
  }

  /** The button goes with the room; whoever pressed it goes on from the room that is shown now. */
  #leave(name) {
    this.acts.leave(name);
    (byId("rooms").querySelector("[aria-current]") ?? byId("join-room")).focus();
  }
}

function update(node, room, active) {
  setAttribute(node.querySelector(".room-open"), "aria-current", active ? "true" : null);
  const unread = node.querySelector(".unread");
  unread.hidden = room.unread === 0;
  setText(unread.firstElementChild, badge(room.unread));
}

export class MemberList {
  #keyed = new Keyed(byId("members"));

  show(members, user) {
    const sorted = [...members].sort(byPresenceThenName);
    setText(byId("members-count"), String(sorted.filter(([, state]) => state === "online").length));
    this.#keyed.show(sorted, {
      key: ([name]) => name,
      make: ([name]) => el("li.member", { "data-user": name },
        avatar(name), el("bdi.member-name", {}, name), name === user && el("span.you", {}, "you"),
        el("span.visually-hidden.member-state", {})),
      update: (node, [, state]) => {
        setAttribute(node, "data-state", state);
        setText(node.querySelector(".member-state"), state);
      },
    });
  }
}

function byPresenceThenName([a, aState], [b, bState]) {
  return Number(bState === "online") - Number(aState === "online") || a.localeCompare(b);
}

export const onlineSentence = (members) =>
  plural([...members.values()].filter((state) => state === "online").length, "member") + " online";
