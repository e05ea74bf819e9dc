// A plot of curves over steps, drawn as SVG: a band from the least to the greatest of what was put together, the mean in it.
import { html, useState } from "./vendor/htm-preact.js";
import { value as told } from "./told.js";
import { number, t } from "./words.js";

const [WIDE, TALL, LEFT, BOTTOM, TOP, RIGHT] = [420, 190, 52, 20, 8, 8];

/** Curves `{name, points: [[step, least, greatest, mean]], dots}` each; `from` is the least that the scale shows. */
export function CurvePlot({ title, lines, from = null, marks = [] }) {
  const [at, setAt] = useState(null);
  const all = lines.flatMap((line) => line.points);
  const steps = all.map((point) => point[0]);
  const [first, last] = [Math.min(...steps, Infinity), Math.max(...steps, -Infinity)];
  const [low, high] = scale(all, from);
  const across = (step) => LEFT + ((step - first) / Math.max(1, last - first)) * (WIDE - RIGHT - LEFT);
  const up = (value) => TALL - BOTTOM - ((value - low) / (high - low)) * (TALL - BOTTOM - TOP);
  const ticks = [low, (low + high) / 2, high];
  const ends = lines.map((line) => (at === null ? line.points.at(-1) : nearest(line.points, at)));
  const spoken = lines.map((line, place) => `${line.name}: ${told(line.points.at(-1)?.[3] ?? null)}`).join(", ");

  function moved(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width) * WIDE;
    setAt(first + ((share - LEFT) / (WIDE - RIGHT - LEFT)) * (last - first));
  }

  return html`<figure class="plot curve"><figcaption><strong dir="auto">${title}</strong>
      <span class="quiet at">${at === null || !all.length ? "" : t("at_step", { step: number(Math.round(ends.find((each) => each)?.[0] ?? 0)) })}</span>
      <span class="legend">${lines.map((line, place) => html`<span class=${`line${line.color ?? place}`}><i aria-hidden="true"></i><bdi>${line.name}</bdi> <b>${told(ends[place]?.[3] ?? null)}</b></span>`)}</span></figcaption>
    ${all.length ? html`<svg viewBox=${`0 0 ${WIDE} ${TALL}`} role="img" aria-label=${`${title}. ${spoken}`} onPointerMove=${moved} onPointerLeave=${() => setAt(null)}>
      ${ticks.map((tick) => html`<line x1=${LEFT} x2=${WIDE - RIGHT} y1=${up(tick)} y2=${up(tick)} class="grid" />
        <text x=${LEFT - 5} y=${up(tick) + 3.5} text-anchor="end">${told(tick)}</text>`)}
      <text x=${LEFT} y=${TALL - 5}>${number(first)}</text>
      <text x=${WIDE - RIGHT} y=${TALL - 5} text-anchor="end">${t("steps_told", { steps: number(last) })}</text>
      ${marks.filter((step) => step >= first && step <= last).map((step) => html`<line class="notice-mark" x1=${across(step)} x2=${across(step)} y1=${TOP} y2=${TALL - BOTTOM} />`)}
      ${lines.map((line, place) => html`<g class=${`line${line.color ?? place}`}>
        <path class="band" d=${band(line.points, across, up)} />
        <path class="mean" d=${path(line.points, across, up)} />
        ${(line.dots && line.points.length < 60) || line.points.length === 1 ? line.points.map((point) => html`<circle cx=${across(point[0]).toFixed(1)} cy=${up(point[3]).toFixed(1)} r="2.2" />`) : null}</g>`)}
      ${at === null ? null : lines.map((line, place) => ends[place] && html`<circle class=${`seen line${line.color ?? place}`} cx=${across(ends[place][0])} cy=${up(ends[place][3])} r="3.5" />`)}
    </svg>` : html`<p class="quiet">${t("no_points")}</p>`}</figure>`;
}

/** The ends of the scale: all means, and of the bands what does not press these flat. */
function scale(points, from) {
  if (!points.length) return [0, 1];
  const means = points.map((point) => point[3]).sort((one, other) => one - other);
  const spread = means.at(-1) - means[0] || Math.abs(means[0]) * 0.1 || 1;
  const least = Math.max(Math.min(...points.map((point) => point[1])), means[0] - spread * 0.25);
  const greatest = Math.min(Math.max(...points.map((point) => point[2])), means.at(-1) + spread * 0.25);
  const low = from === null ? least : Math.min(from, least);
  return low < greatest ? [low, greatest] : [low - spread / 2, greatest + spread / 2];
}

const clipped = (y) => Math.max(TOP - 2, Math.min(TALL - BOTTOM + 2, y)).toFixed(1);

function path(points, across, up) {
  return points.map((point, place) => `${place ? "L" : "M"}${across(point[0]).toFixed(1)} ${clipped(up(point[3]))}`).join("");
}

function band(points, across, up) {
  if (points.length < 2) return "";
  const above = points.map((point) => `${across(point[0]).toFixed(1)} ${clipped(up(point[2]))}`);
  const below = points.map((point) => `${across(point[0]).toFixed(1)} ${clipped(up(point[1]))}`).reverse();
  return `M${[...above, ...below].join("L")}Z`;
}

function nearest(points, step) {
  let best = null;
  for (const point of points) if (best === null || Math.abs(point[0] - step) < Math.abs(best[0] - step)) best = point;
  return best;
}
