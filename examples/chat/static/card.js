/** The assistant's card: a question, its steps as they come, the answer and where it comes from. */

import { avatar, el, icon, setAttribute, setText } from "./dom.js";
import { clock, dayName, duration, plural } from "./format.js";

const STATES = { waiting: "Waiting", running: "Working", done: "Done", failed: "Failed" };

export function makeCard(card, { onSource }) {
  const node = el("article.agent", { "data-id": card.id },
    el("header.agent-head", {},
      el("span.agent-face", {}, icon("spark")),
      el("strong", {}, "Assistant"),
      el("span.agent-state", {})),
    el("p.agent-question", { dir: "auto" }),
    el("ol.steps", { "aria-label": "Steps" }),
    el("p.agent-error", { hidden: true }));
  node.run = card.run;
  node.onSource = onSource;
  return node;
}

/** Only adds what is new, so that steps come in one by one and are read out once. */
export function updateCard(node, card) {
  if (node.run !== card.run) startOver(node, card);
  setAttribute(node, "data-state", card.state);
  setText(node.querySelector(".agent-state"), stateText(card));
  setText(node.querySelector(".agent-question"), card.text);
  const steps = node.querySelector(".steps");
  for (const event of card.steps.slice(steps.children.length)) {
    steps.append(makeStep(event, card.steps[0]));
    if (event.type === "agent_completed") steps.after(makeAnswer(event, node.onSource));
  }
  const error = node.querySelector(".agent-error");
  error.hidden = !card.error;
  setText(error, card.error ?? "");
}

function startOver(node, card) {
  node.run = card.run;
  node.querySelector(".steps").replaceChildren();
  node.querySelector(".answer")?.remove();
}

function stateText(card) {
  if (card.state !== "done") return STATES[card.state];
  const took = card.steps.at(-1).timestamp - card.steps[0].timestamp;
  return took > 0 ? `Done in ${duration(took)}` : STATES.done;
}

function makeStep(event, first) {
  return el("li.step", { "data-type": event.type },
    el("span.step-text", {}, ...WORDS[event.type](event)),
    el("span.step-time", {}, event === first ? clock(event.timestamp) : `+${duration(event.timestamp - first.timestamp)}`));
}

const code = (text) => el("code", { dir: "auto" }, String(text));

const WORDS = {
  agent_started: () => ["Started"],
  agent_thinking: ({ thought }) => [el("em", { dir: "auto" }, thought)],
  tool_executing: ({ tool, query }) => ["Using ", code(tool), " for ", code(query)],
  tool_completed: ({ tool, hits, duration: took }) => [
    code(tool), " found ", el("b", {}, plural(hits, "message")), ` in ${duration(took)}`],
  agent_completed: () => ["Answered"],
};

function makeAnswer({ answer, sources = [] }, onSource) {
  return el("div.answer", {},
    el("p.answer-text", { dir: "auto" }, answer),
    sources.length > 0 && el("p.sources-title", {}, sources.length === 1 ? "Source" : "Sources"),
    sources.length > 0 && el("ul.sources", {}, ...sources.map((source) => makeSource(source, onSource))));
}

function makeSource(source, onSource) {
  const when = `${dayName(source.at)}, ${clock(source.at)}`;
  return el("li", {},
    el("button.source", { type: "button", title: `Show it in ${source.room}`, onclick: () => onSource(source) },
      avatar(source.user),
      el("span.source-body", {},
        el("span.source-meta", {},
          el("bdi", {}, source.user), " in ", el("bdi", {}, source.room), ` · ${when}`),
        el("span.source-text", { dir: "auto" }, source.text))));
}
