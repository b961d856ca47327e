/** Refusals, newest first, each with its whole report: the stages, and who held the slots, and why they were kept. */

import { getRefusal, getRefusals } from "./api.js";
import { Keyed, byId, el, icon, setText } from "./dom.js";
import { ago, duration, number, plural } from "./format.js";
import { nameNode, userLink } from "./names.js";
import { showPlace } from "./places.js";
import { keptByAll, reportBody } from "./reports.js";
import { chip } from "./verdicts.js";

const MOST_ROWS = 50;
const MOST_HOLDERS = 50;
const LATEST = 4;
const KEPT = 100;
const NONE_NAMED = "None is named: the process was full, and others' sessions are not this user's business.";

const REASONS = {
  limit: "at the limit",
  reap_pending: "slots being freed",
  process_limit: "process full",
  fair_share: "beyond the share",
  overloaded: "too many start",
  cluster_limit: "at the limit, on all nodes",
};

export class Refusals {
  #keyed = new Keyed(byId("refusals-list"));
  #latest = new Keyed(byId("latest-refusals"));
  #known = [];
  #pid = null;
  #count = null;
  #loading = false;

  /** Asks again only when there was another one. */
  see({ pid, counts: { resource_limit_hits: count } }) {
    setText(byId("nav-refusals"), count > 0 ? number(count) : "");
    if (count !== this.#count && !this.#loading) this.#load(count, pid);
    else this.#show();
  }

  async #load(count, pid) {
    this.#loading = true;
    try {
      if (pid !== this.#pid) this.#known = []; // another process, which counts from the beginning
      this.#pid = pid;
      const now = Date.now() / 1000;
      const { refusals } = await getRefusals(this.#known[0]?.seq ?? 0);
      const news = refusals.map((refusal) => ({ ...refusal, at: now - refusal.ago, id: `${pid} ${refusal.seq}` }));
      this.#known = [...news, ...this.#known].slice(0, KEPT);
      this.#count = count;
      setText(byId("refusals-said"), "");
    } catch (error) {
      setText(byId("refusals-said"), error.message);
    } finally {
      this.#loading = false;
    }
    this.#show();
  }

  #show() {
    const refusals = this.#known;
    this.#keyed.show(refusals.slice(0, MOST_ROWS), { key: ({ id }) => id, make: makeRow, update: updateAgo });
    this.#latest.show(refusals.slice(0, LATEST), { key: ({ id }) => id, make: makeLine, update: updateAgo });
    for (const id of ["refusals-none", "latest-refusals-none"]) byId(id).hidden = refusals.length > 0;
    byId("latest-refusals-more").hidden = refusals.length <= LATEST;
  }
}

const updateAgo = (node, { at }) => setText(node.querySelector(".ago"), ago(Date.now() / 1000 - at));

const makeLine = (refusal) =>
  el("li.refused-line", {},
    el("span.row-head", {},
      userLink(refusal.user),
      el("span.muted", {}, `${number(refusal.live)} of ${number(refusal.limit)} held`),
      el("span.ago.muted", {})),
    el("p.evidence", {}, refusal.sentence));

function makeRow(refusal) {
  const details = el("details.refusal", {},
    el("summary", {},
      icon("chevron"),
      el("span.who", {}, nameNode(refusal.user), el("span.muted", {}, " / "), nameNode(refusal.key)),
      el("span.reason", {}, REASONS[refusal.reason] ?? refusal.reason),
      el("span.ago.muted", {}),
      el("span.sentence", {}, refusal.sentence)));
  // The proof of one that nobody opens is never asked for.
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(proofOf(refusal)));
  return el("li", {}, details);
}

/** Its proof, as soon as it is here. */
function proofOf({ seq }) {
  const place = el("div.proof", {});
  getRefusal(seq).then(
    (refusal) => place.append(makeReport(refusal)),
    (error) => place.append(el("p.problem", {}, error.message)),
  );
  return place;
}

function makeReport(refusal) {
  const { user, limit, live, condemned, waited, retry_after: retry, stages, holders } = refusal;
  const facts = [
    ["User", userLink(user)],
    ["Slots held", `${number(live)} of ${number(limit)}`],
    ["Condemned", number(condemned)],
    ["Refused after", duration(waited)],
    ["Told to retry in", duration(retry)],
  ];
  return el("div.refusal-report", {},
    el("dl.facts", {}, ...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
    el("h2", {}, "What was tried"),
    whatWasTried(stages, holders),
    el("h2", {}, `Who held the ${plural(limit, "slot")}, and why each was kept`),
    holderList(holders));
}

/** Those who were kept are the holders, who are named below; unless they are not named at all. */
function whatWasTried(stages, holders) {
  if (stages.length === 0) return el("p.muted", {}, "Nothing: nobody was there to be removed.");
  const count = (list) => stages.reduce((sum, stage) => sum + (stage[`${list}_total`] ?? stage[list].length), 0);
  const kept = holders.length > 0 ? 0 : keptByAll(stages).length;
  const report = { dry_run: false, stages, reaped: count("reaped"), failed: count("failed"), kept };
  return reportBody(report, { heading: "h3" });
}

function holderList(holders) {
  if (holders.length === 0) return el("p.muted", {}, NONE_NAMED);
  const rest = holders.length - MOST_HOLDERS;
  return el("div.long.holders", { tabindex: "0", role: "group", "aria-label": "Slot holders" },
    el("ul", {}, ...holders.slice(0, MOST_HOLDERS).map(holderRow), rest > 0 && el("li.muted", {}, `and ${number(rest)} more`)));
}

function holderRow(holder) {
  const place = el("div.place-holder", {});
  if (holder.where) showPlace(place, holder);
  return el("li.holder", {},
    el("div.row-head", {},
      chip(holder.health),
      nameNode(holder.key),
      holder.node !== "" && el("span.on-node", {}, "on ", nameNode(holder.node)),
      el("span.muted", {}, `${duration(holder.age)} old`)),
    el("div", {},
      holder.kept.length > 0 ? el("dl.kept", {}, ...holder.kept.flatMap(keptLine)) : el("p.evidence", {}, holder.evidence),
      place));
}

/** "garbage: healthy: parked" becomes the stage, and why it kept this one. */
function keptLine(sentence) {
  const [, stage, why] = /^([a-z]+): (.*)$/s.exec(sentence) ?? [null, "kept", sentence];
  return [el("dt", {}, stage), el("dd", {}, why)];
}
