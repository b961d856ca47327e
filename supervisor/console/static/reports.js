/** What a cleanup did, or as a dry run would do: who went, who did not, who was kept, and why. */

import { el } from "./dom.js";
import { duration, number, plural } from "./format.js";
import { nameNode } from "./names.js";
import { chip } from "./verdicts.js";

// Rows of one list; nobody reads more, and the count is in its heading.
const MOST_ROWS = 50;

const identity = ({ user, key, incarnation }) => JSON.stringify([user, key, incarnation]);

/** Those that every stage kept, as the last one to look saw them. */
export function keptByAll(stages) {
  const gone = new Set(stages.flatMap((stage) => [...stage.reaped, ...stage.failed]).map(identity));
  const last = new Map(stages.flatMap((stage) => stage.kept).map((finding) => [identity(finding), finding]));
  return [...last.values()].filter((finding) => !gone.has(identity(finding)));
}

/** The whole report but its title. `ofOne`: all findings are of one user, whose name needs no repeating. */
export function reportBody({ dry_run: dry, stages, reaped, kept, failed }, { ofOne = true, heading = "h4" } = {}) {
  const all = (list) => stages.flatMap((stage) => stage[list]);
  return el("div.report", {},
    findings(dry ? "Would go" : "Removed", reaped, all("reaped"), { ofOne, heading }),
    findings("Not gone yet", failed, all("failed"), { ofOne, heading }),
    findings(dry ? "Would be kept, and why" : "Kept, and why", kept, keptByAll(stages), { ofOne, heading }),
    stageTable(stages, { dry }));
}

function findings(title, total, list, { ofOne, heading }) {
  if (total === 0) return null;
  const rest = total - Math.min(list.length, MOST_ROWS);
  return el("section.findings", {},
    el(heading, {}, `${title}: ${number(total)}`),
    el("div.long", { tabindex: "0", role: "group", "aria-label": title },
      el("ul", {},
        ...list.slice(0, MOST_ROWS).map((finding) => findingRow(finding, ofOne)),
        rest > 0 && el("li.muted", {}, `and ${number(rest)} more`))));
}

const findingRow = ({ user, key, health, evidence }, ofOne) =>
  el("li", {},
    chip(health),
    el("span.who", {}, !ofOne && nameNode(user), !ofOne && " / ", nameNode(key)),
    el("span.evidence", {}, evidence));

/** One row a stage; in numbers only. */
function stageTable(stages, { dry }) {
  if (stages.length === 0) return el("p.muted", {}, "No stage ran: there was nobody to look at.");
  const titles = ["Stage", "Slots held", dry ? "Would go" : "Removed", "Kept", "Not gone", "Took"];
  return el("div.scroll", { tabindex: "0", role: "group", "aria-label": "Stages" },
    el("table.stages", {},
      el("thead", {}, el("tr", {}, ...titles.map((title) => el("th", { scope: "col" }, title)))),
      el("tbody", {}, ...stages.map(stageRow))));
}

const stageRow = (stage) =>
  el("tr", {},
    el("th", { scope: "row" }, stage.stage),
    el("td", {}, `${number(stage.before)} → ${number(stage.after)}`),
    ...["reaped", "kept", "failed"].map((list) => el("td", {}, number(stage[`${list}_total`] ?? stage[list].length))),
    el("td", {}, duration(stage.duration)));

/** The one sentence that stands above. */
export function reportTitle({ dry_run: dry, reaped, kept, failed }) {
  const words = dry
    ? `Dry run: ${number(reaped)} would go, ${number(kept)} would be kept`
    : `Done: ${plural(reaped, "manager")} removed, ${number(kept)} kept`;
  return failed > 0 ? `${words}, ${number(failed)} not gone yet` : words;
}
