/** Four live charts on one axis of time, with their numbers in words beside them. */

import { Keyed, byId, el, setText } from "./dom.js";
import { clock, duration, joined, number, rate, short } from "./format.js";
import { chartOptions } from "./plot.js";
import { Series } from "./series.js";

const perSecond = (value) => `${rate(value)}/s`;

// For each chart its lines: [series, word, colour], the least height of its axis, and how its values are said.
const CHARTS = [
  {
    id: "people",
    title: "Managers and users",
    lines: [["managers", "managers", "--line-1"], ["users", "users", "--line-2"]],
    least: 5,
    say: number,
    tick: short,
  },
  {
    id: "flow",
    title: "Created, cleaned, refused",
    lines: [["created", "created", "--line-1"], ["cleaned", "cleaned up", "--line-2"], ["refused", "refused", "--line-3"]],
    least: 1,
    say: perSecond,
    tick: short,
  },
  {
    id: "spawn",
    title: "Spawn p99",
    lines: [["spawn_p99", "99 of 100 within", "--line-1"]],
    dotted: true,
    least: 0.001,
    say: duration,
    tick: duration,
  },
  {
    id: "lag",
    title: "Loop lag",
    lines: [["lag", "late by", "--line-1"]],
    least: 0.001,
    say: duration,
    tick: duration,
  },
];

const TABLE = CHARTS.flatMap(({ lines, say }) => lines.map(([name, word]) => ({ name, word, say })));

export class Charts {
  #series = new Series();
  #charts = CHARTS.map((chart) => new Chart(chart));
  #rows = new Keyed(byId("charts-rows"));
  #table = byId("charts-table");

  constructor() {
    byId("charts").replaceChildren(...this.#charts.map(({ element }) => element));
    byId("charts-heads").append(...TABLE.map(({ word }) => el("th", { scope: "col" }, word)));
    this.#table.addEventListener("toggle", () => this.draw());
  }

  fill(history) {
    this.#series.fill(history, Date.now() / 1000);
    this.draw();
  }

  see(overview) {
    this.#series.add(overview, Date.now() / 1000);
    if (!document.hidden) this.draw();
  }

  draw() {
    for (const chart of this.#charts) chart.draw(this.#series);
    if (this.#table.open) this.#showTable();
  }

  #showTable() {
    const cell = (value, say) => el("td", {}, value === null ? "–" : say(value));
    this.#rows.show(this.#series.minutes(), {
      key: ([at]) => at,
      make: ([at, values]) =>
        el("tr", {}, el("th", { scope: "row" }, clock(at)), ...TABLE.map(({ name, say }) => cell(values[name], say))),
    });
  }
}

class Chart {
  #plot = null;
  #pointed = null;
  #box = el("div.plot", { "aria-hidden": "true" });
  #summary = el("p.visually-hidden", {});

  constructor(chart) {
    this.chart = chart;
    this.values = chart.lines.map(() => el("span.value", {}, "–"));
    const keys = chart.lines.map(([, word, colour], place) =>
      el("span.key", { "data-line": colour.slice(2) }, el("i", {}), `${word} `, this.values[place]));
    this.element = el("figure.chart", { "data-chart": chart.id },
      el("figcaption", {}, el("h3", {}, chart.title), el("span.keys", { "aria-hidden": "true" }, ...keys)),
      this.#summary,
      this.#box);
    new ResizeObserver(() => this.#fit()).observe(this.#box);
  }

  draw(series) {
    this.series = series;
    const data = [series.at, ...this.chart.lines.map(([name]) => series.values[name])];
    if (this.#plot === null) this.#make(data);
    else this.#plot.setData(data);
    this.#say();
  }

  #make(data) {
    if (this.#box.clientWidth === 0) return; // nobody sees it yet
    const onPoint = (place) => {
      this.#pointed = place;
      this.#say();
    };
    this.#plot = new globalThis.uPlot({ ...chartOptions(this.chart, onPoint), width: this.#box.clientWidth }, data, this.#box);
  }

  #fit() {
    if (this.#box.clientWidth === 0) return;
    if (this.#plot === null && this.series) this.draw(this.series);
    this.#plot?.setSize({ width: this.#box.clientWidth, height: this.#plot.height });
  }

  /** What the pointer is at, or else the newest. */
  #say() {
    const { lines, say } = this.chart;
    lines.forEach(([name], place) => {
      const values = this.series.values[name];
      const value = values[this.#pointed ?? values.length - 1] ?? null;
      setText(this.values[place], value === null ? "–" : say(value));
    });
    setText(this.#summary, summary(this.chart, this.series));
  }
}

/** For whom the picture is none. */
function summary({ lines, say }, series) {
  const said = lines.map(([name, word]) => {
    const range = series.range(name);
    if (range === null) return `${word}: nothing known`;
    return `${word} ${range.now === null ? "not known now" : say(range.now)}, between ${say(range.least)} and ${say(range.most)}`;
  });
  return `In the last ten minutes: ${joined(said)}.`;
}
