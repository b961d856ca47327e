/** Puts the parts together: the stream feeds them, the address says which view is seen. */

import { Alerts } from "./alerts.js";
import { complain } from "./announce.js";
import { getHistory } from "./api.js";
import { Charts } from "./charts.js";
import { ClusterFacts, ClusterView } from "./cluster.js";
import { CondemnedList } from "./condemned.js";
import { Connection } from "./connection.js";
import { byId, setAttribute } from "./dom.js";
import { Done } from "./done.js";
import { Feed } from "./feed.js";
import { Headline } from "./headline.js";
import { tab } from "./keep.js";
import { AtLimit } from "./limits.js";
import { plainName } from "./names.js";
import { Refusals } from "./refusals.js";
import { Refused } from "./refused.js";
import { watchRoute } from "./route.js";
import { Server } from "./server.js";
import { stuckCount } from "./standing.js";
import { Stream } from "./stream.js";
import { Stuck } from "./stuck.js";
import { watchTheme } from "./theme.js";
import { Tiles } from "./tiles.js";
import { UserView } from "./user.js";
import { Users } from "./users.js";

// Milliseconds: a page that nobody looks at costs the server nothing after so long.
const REST_AFTER = 60_000;

// Seconds by which two clocks may drift apart while the process stays the same.
const SAME_START = 5;

const TITLES = { overview: "Overview", users: "Users", user: "", refusals: "Refusals", events: "Events", cluster: "Cluster" };

const done = new Done();
const feed = new Feed({ onLines: (lines) => done.hear(lines) });
const charts = new Charts();
const refused = new Refused({ onToken: () => stream.start() });
const connection = new Connection({ onRetry: () => stream.start() });
const server = new Server({ onError: (error) => complain(error.message) });
const user = new UserView();
const parts = [new ClusterFacts(), user, new Headline(), new Alerts(), new Tiles(), charts, server, new Stuck(), new CondemnedList(), new AtLimit(), new Refusals()];
const views = { user, users: new Users(), cluster: new ClusterView() };
const stream = new Stream({ message: hear, state: setState });

let shown = null;
let title = "";
let last = { survey: null };
let isNew = true;
let process = { pid: null, began: null };

function hear(event, data) {
  if (event === "events") return feed.add(data);
  if (event !== "overview") return;
  connection.heard();
  document.documentElement.dataset.access = data.access;
  if (isNew) begin(data);
  for (const part of parts) part.see(data);
  last = data;
  showTitle(data);
}

/** The first word of a new stream: what was missed is asked for. */
function begin({ pid, at, uptime }) {
  isNew = false;
  const anew = pid !== process.pid || Math.abs(at - uptime - process.began) > SAME_START;
  process = { pid, began: at - uptime };
  refused.hide();
  if (!("torn" in document.documentElement.dataset)) tab.set("torn", "0"); // it was loaded whole
  byId("main").removeAttribute("data-empty");
  const missed = [getHistory().then((history) => charts.fill(history)), feed.backfill({ anew }), done.backfill({ anew })];
  for (const asked of missed) asked.catch((error) => complain(error.message));
}

function setState(state, facts) {
  isNew = true;
  connection.set(state, facts);
  if (state === "refused") refused.show(facts.why);
}

function showTitle({ survey }) {
  const stuck = stuckCount(survey);
  document.title = `${stuck > 0 ? `(${stuck} stuck) ` : ""}${title} · trouper console`;
}

function go({ view, user }) {
  const first = shown === null;
  if (shown !== null) views[shown]?.hide();
  shown = view;
  for (const section of document.querySelectorAll(".view")) section.hidden = section.dataset.view !== view;
  const chosen = view === "user" ? "users" : view;
  for (const link of document.querySelectorAll("nav a")) {
    setAttribute(link, "aria-current", link.dataset.view === chosen ? "page" : null);
    if (link.dataset.view === chosen) link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  views[view]?.show(user);
  title = TITLES[view] || plainName(user, 40);
  showTitle(last);
  if (view === "overview") charts.draw();
  if (!first) {
    scrollTo(0, 0);
    document.querySelector(`.view[data-view="${view}"] h1`).focus({ preventScroll: true });
  }
}

let rest = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(rest);
  if (!document.hidden) return stream.isOpen || stream.start();
  rest = setTimeout(() => {
    stream.stop();
    connection.set("resting", {});
  }, REST_AFTER);
});

byId("skip").addEventListener("click", () => document.querySelector(".view:not([hidden]) h1").focus());
watchTheme(byId("theme"), () => charts.draw());
watchRoute(go);
stream.start();
