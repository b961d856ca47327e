/** The page: log-in, the shell around the conversation, and who tells whom. */

import { ApiError, loadConfig, logIn } from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { avatar, byId, setAttribute, setText } from "./dom.js";
import { typingSentence } from "./format.js";
import { Identity } from "./identity.js";
import { MemberList, RoomList, onlineSentence } from "./lists.js";
import { RefusedPanel } from "./refused.js";
import { SessionsPanel } from "./sessions.js";
import { Sides } from "./sides.js";

const DEFAULT_ROOM = "lobby";
const CONFIG_AGAIN_AFTER = 2000;
// Many frames, one drawing. A timer, not an animation frame: a hidden tab must still count what is unread.
const DRAW_AFTER = 16;
const UNAUTHORIZED = 401;

const LINK_WORDS = {
  online: () => "Online",
  connecting: () => "Connecting…",
  reconnecting: ({ retryAt }) => `Reconnecting in ${Math.max(0, Math.ceil((retryAt - Date.now()) / 1000))} s`,
  refused: () => "Refused",
  closed: () => "Closed",
};

const identity = new Identity();
const attended = () => !document.hidden;
let chat = null;
let link = { state: "closed" };
let drawTimer = 0;
let shown = null;

const config = await configured();
byId("login-name").maxLength = config.limits.name;
byId("join-room").maxLength = config.limits.room;

const composer = new Composer({
  limit: config.limits.text,
  acts: { say, ask: (text) => chat.ask(text), typing: () => chat.typing() },
});
const conversation = new Conversation({
  retry: (id) => chat.retry(id),
  discard: (id) => chat.discard(id),
  source: showSource,
});
const roomList = new RoomList({ look, leave: (name) => chat.leave(name) });
const memberList = new MemberList();
const refused = new RefusedPanel({ identity, onRetry: () => chat?.link.connect(), onError: httpFailed });
const sessions = new SessionsPanel({
  identity,
  isVisible: () => chat !== null && !byId("sessions").hidden,
  onAnswer: (answer) => showUse(answer.sessions.length, answer.limit),
  onError: httpFailed,
});

const sides = new Sides({ onSessionsOpen: () => sessions.poll() });

listen();
if (identity.loggedIn) await enter();
else showLogin();

// In and out.

async function configured() {
  for (;;) {
    try {
      return await loadConfig();
    } catch (error) {
      showLogin(`${error.message} Trying again…`);
      await new Promise((resolve) => setTimeout(resolve, CONFIG_AGAIN_AFTER));
    }
  }
}

function showLogin(sentence = "") {
  byId("app").hidden = true;
  byId("login").hidden = false;
  byId("login-name").value ||= identity.user;
  byId("login-error").hidden = sentence === "";
  setText(byId("login-error"), sentence);
  document.title = "trouper chat";
  byId("login-name").focus();
}

async function submitLogin(event) {
  event.preventDefault();
  byId("login-submit").disabled = true;
  try {
    identity.logIn(await logIn(byId("login-name").value));
    await enter();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showLogin(error.message);
  } finally {
    byId("login-submit").disabled = false;
  }
}

async function enter() {
  await identity.claimSession();
  // Before the first join, which would put the list by again.
  const rooms = identity.rooms.length > 0 ? identity.rooms : [DEFAULT_ROOM];
  const active = identity.active;
  chat = new Chat({
    url: config.ws,
    identity,
    attended,
    ears: {
      onChange: drawSoon,
      onState: linkChanged,
      onNotice: (sentence) => composer.notice(sentence),
      onRooms: (names) => identity.keep({ rooms: names }),
      onUnsent: (unsent) => identity.keep({ unsent }),
    },
  });
  byId("login").hidden = true;
  byId("app").hidden = false;
  showMe();
  for (const name of rooms) chat.join(name);
  look(rooms.includes(active) ? active : rooms[0]);
  chat.link.connect();
  draw();
}

function goOut(sentence = "") {
  const leaving = chat;
  chat = null;
  leaving?.link.close();
  refused.hide();
  sides.closeAll();
  shown = null;
  showLogin(sentence);
}

function logOut() {
  goOut();
  identity.forget();
  byId("login-name").value = "";
}

function httpFailed(error) {
  if (error.status !== UNAUTHORIZED || chat === null) return;
  identity.dropToken();
  goOut("You have been logged out. Please log in again.");
}

// The link.

function linkChanged(state, facts) {
  link = { state, ...facts };
  if (state === "online") refused.hide();
  if (state === "refused") sides.closeDrawer();
  if (state === "refused") refused.show(facts.reason);
  if (state === "closed" && !facts.wanted) {
    identity.dropToken();
    return goOut(facts.reason || "The server closed the connection. Please log in again.");
  }
  sides.shield();
  drawLink();
  drawSoon();
}

function drawLink() {
  const pill = byId("connection");
  setAttribute(pill, "data-state", link.state);
  setText(pill.querySelector(".connection-text"), LINK_WORDS[link.state](link));
  // The seconds tick for the eye only; the ear hears each state once.
  setText(byId("connection-said"), link.state === "reconnecting" ? "Connection lost, reconnecting" : link.state);
  byId("offline").hidden = link.state !== "reconnecting";
}

// What people do.

function say(text) {
  if (chat.outbox.full) {
    composer.notice("Too many messages wait to be sent. They go out when the connection is back.");
    return false;
  }
  chat.say(text);
  return true;
}

function look(name) {
  if (chat.room) chat.room.draft = composer.draft;
  chat.look(name);
  identity.keep({ active: chat.active ?? undefined });
  sides.closeDrawer();
  draw();
  composer.focus();
}

function submitJoin(event) {
  event.preventDefault();
  const field = byId("join-room");
  if (field.value === "") return;
  if (chat.room) chat.room.draft = composer.draft;
  chat.join(field.value);
  look(field.value);
  field.value = "";
}

function showSource({ room, seq }) {
  if (!chat.rooms.has(room)) chat.join(room);
  look(room);
  // A room just joined has still to come in; its newest messages are then in view anyway.
  if (!conversation.reveal(seq) && chat.room.joined) {
    composer.notice("That message is further back than this page shows.");
  }
}

function listen() {
  byId("login-form").addEventListener("submit", submitLogin);
  byId("join-form").addEventListener("submit", submitJoin);
  byId("logout").addEventListener("click", logOut);
  byId("retry-now").addEventListener("click", () => chat.link.hurry());
  document.addEventListener("visibilitychange", () => attended() && (chat?.attend(), chat?.link.hurry(), sessions.poll()));
  addEventListener("online", () => chat?.link.hurry());
  // Seconds tick and typists fall silent without any frame.
  setInterval(() => chat && (drawTyping(), drawLink()), 500);
}

// Drawing.

function drawSoon() {
  drawTimer ||= setTimeout(draw, DRAW_AFTER);
}

function draw() {
  clearTimeout(drawTimer);
  drawTimer = 0;
  if (chat === null) return;
  const { room } = chat;
  roomList.show([...chat.rooms.values()], chat.active);
  drawRoom(room);
  drawTyping();
  showUse(chat.sessions.count, chat.sessions.limit);
  drawUnread();
}

function drawRoom(room) {
  byId("scroller").hidden = !room;
  byId("no-room").hidden = Boolean(room);
  composer.enable(Boolean(room));
  setText(byId("room-title"), room?.name ?? "No room");
  setText(byId("room-facts"), room?.members.size > 0 ? onlineSentence(room.members) : "");
  memberList.show(room?.members ?? new Map(), chat.user);
  if (shown !== room) composer.showRoom(room?.name ?? "", room?.draft ?? "");
  shown = room;
  if (room) conversation.show(room, chat.timeline(), chat.user);
}

function drawTyping() {
  const typists = link.state === "online" ? chat.room?.typingNow(Date.now()) : [];
  const sentence = typingSentence(typists ?? []);
  byId("typing").dataset.active = String(sentence !== "");
  setText(byId("typing-text"), sentence);
}

function drawUnread() {
  const { unread } = chat;
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${chat.active ?? "trouper chat"} · ${chat.user}`;
  byId("rooms-toggle").classList.toggle("has-unread", unread > 0);
}

function showUse(count, limit) {
  if (limit === null) return;
  Object.assign(chat.sessions, { count, limit });
  setText(byId("sessions-badge"), `${count}/${limit}`);
}

function showMe() {
  byId("me-face").replaceChildren(avatar(identity.user));
  setText(byId("me-name"), identity.user);
}
