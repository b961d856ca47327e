/** How a chart is drawn: uPlot's options, in the colours of the page as they stand. */

const HEIGHT = 104;
// Seconds: the axis is always the whole of what is kept.
const SPAN = 600;
const AXIS = 44;
const FONT = `11px ${getComputedStyle(document.body).fontFamily}`;
const DASHES = [[], [], [4, 3]];

const canvas = document.createElement("canvas").getContext("2d");

/** A colour of the style sheet, as the canvas understands it. */
function colour(name) {
  const probe = document.getElementById("colour-probe");
  probe.style.color = `var(${name})`;
  canvas.fillStyle = getComputedStyle(probe).color;
  return canvas.fillStyle;
}

/** `onPoint(place)`: the place of the pointer among the points; null: it has left. */
export function chartOptions({ lines, least, tick, dotted = false }, onPoint) {
  return {
    height: HEIGHT,
    padding: [6, 6, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "console" }, y: false, drag: { x: false, y: false }, points: { size: 5 } },
    scales: {
      x: { time: true, range: (_, __, last) => [last - SPAN, last] },
      y: { range: (_, __, most) => [0, Math.max(least, (most ?? 0) * 1.15)] },
    },
    axes: [
      axis({ space: 90, size: 22, values: minutes }),
      axis({ space: 28, size: AXIS, values: (_, splits) => splits.map(tick) }),
    ],
    series: [{}, ...lines.map(([, , name], place) => line(name, place, dotted))],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.left >= 0 ? cursor.idx : null)] },
  };
}

const axis = (more) => ({
  stroke: () => colour("--muted"),
  font: FONT,
  gap: 4,
  ticks: { show: false },
  grid: { stroke: () => colour("--grid"), width: 1 },
  ...more,
});

/** Dots where values come now and then: between them nothing is known. */
const line = (name, place, dotted) => ({
  stroke: () => colour(name),
  fill: place === 0 && !dotted ? () => `${colour(name)}14` : undefined,
  width: 1.5,
  dash: DASHES[place],
  points: dotted ? { show: true, size: 4, width: 0, fill: () => colour(name) } : { show: false },
});

const CLOCK = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const minutes = (_, splits) => splits.map((at) => (at % 60 === 0 ? CLOCK.format(at * 1000) : ""));
