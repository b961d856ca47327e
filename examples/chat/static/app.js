/** The page: log-in, the shell around the conversation, and who tells whom. */

import { ApiError, UNAUTHORIZED, loadConfig, logIn, logOut } from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { avatar, byId, setText } from "./dom.js";
import { typingSentence } from "./format.js";
import { Identity } from "./identity.js";
import { MemberList, RoomList, onlineSentence } from "./lists.js";
import { RefusedPanel } from "./refused.js";
import { SessionsPanel } from "./sessions.js";
import { Sides } from "./sides.js";
import { Status } from "./status.js";

const DEFAULT_ROOM = "lobby";
const CONFIG_AGAIN_AFTER = 2000;
// Many frames, one drawing. A timer, not an animation frame: a hidden tab must still count what is unread.
const DRAW_AFTER = 16;
const STEPS = { ArrowUp: -1, ArrowDown: 1 };

const identity = new Identity();
const attended = () => !document.hidden;
let chat = null;
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
  backlog: config.limits.backlog,
});
const roomList = new RoomList({ look, leave: leaveRoom });
const memberList = new MemberList();
const refused = new RefusedPanel({ identity, onRetry: () => chat?.link.connect(), onError: httpFailed });
const sessions = new SessionsPanel({
  identity,
  isVisible: () => chat !== null && !byId("sessions").hidden,
  onAnswer: (answer) => showUse(answer.sessions.length, answer.limit),
  onError: httpFailed,
});
const status = new Status({ onPress: pressed });
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
  refused.end();
  status.clear();
  sides.closeAll();
  shown = null;
  showLogin(sentence);
}

/** Out at once; the server is told in passing, and should it not hear of it, people are told that. */
async function leave() {
  const { token } = identity;
  goOut();
  identity.forget();
  byId("login-name").value = "";
  try {
    await logOut(token);
  } catch (error) {
    // 401: it was good for nothing already.
    if (error.status !== UNAUTHORIZED && chat === null) showLogin(`You are logged out here, but the server was not told: ${error.message}`);
  }
}

function httpFailed(error) {
  if (error.status !== UNAUTHORIZED || chat === null) return;
  identity.dropToken();
  goOut("You have been logged out. Please log in again.");
}

// The link.

function linkChanged(state, facts) {
  if (state === "closed" && facts.wanted) return;
  if (state === "closed") {
    identity.dropToken();
    return goOut(facts.why);
  }
  if (state === "refused") {
    sides.closeDrawer();
    refused.refuse(facts.reason);
  } else if (state !== "connecting") {
    refused.end();
  }
  status.show(state, facts);
  drawSoon();
}

/** The button beside the reason: what it does is what it says. */
function pressed(state) {
  if (state === "refused") refused.open();
  else if (state === "ended") chat.link.connect();
  else chat.link.hurry();
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

function leaveRoom(name) {
  chat.leave(name);
  draw();
}

/** Alt and an arrow go to the room above or below, from wherever one writes. */
function walkRooms(event) {
  if (!event.altKey || !STEPS[event.key] || chat === null || byId("refused").open) return;
  const names = [...chat.rooms.keys()];
  if (names.length === 0) return;
  event.preventDefault();
  look(names.at((names.indexOf(chat.active) + STEPS[event.key]) % names.length));
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
  for (const button of document.querySelectorAll(".logout")) button.addEventListener("click", leave);
  byId("to-composer").addEventListener("click", () => byId("composer-text").focus());
  document.addEventListener("keydown", walkRooms);
  // What was read, for the page that is loaded after this one.
  addEventListener("pagehide", () => chat && identity.keep({ read: chat.read }));
  document.addEventListener("visibilitychange", () => attended() && (chat?.attend(), chat?.link.hurry(), sessions.poll()));
  addEventListener("online", () => chat?.link.hurry());
  // Seconds tick and typists fall silent without any frame.
  setInterval(() => chat && (drawTyping(), status.tick()), 500);
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
  setText(byId("room-facts"), status.online && room?.members.size > 0 ? onlineSentence(room.members) : "");
  memberList.show(room?.members ?? new Map(), chat.user);
  if (shown !== room) composer.showRoom(room?.name ?? "", room?.draft ?? "");
  shown = room;
  if (room) conversation.show(room, chat.timeline(), chat.user);
}

function drawTyping() {
  const typists = status.online ? chat.room?.typingNow(Date.now()) : [];
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
