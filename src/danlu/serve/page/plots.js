// Small plots of the last minutes, drawn as SVG; the last values stand beside their names as text.
import { html } from "./vendor/htm-preact.js";
import { number, t } from "./words.js";

const [WIDE, TALL, LEFT, BOTTOM, TOP, RIGHT] = [320, 130, 44, 18, 8, 6];

/** Lines over the last `seconds`: `{name, points: [[seconds ago, value or null]], told}` each. */
export function Plot({ title, lines, seconds, told }) {
  const values = lines.flatMap((line) => line.points.map(([, value]) => value)).filter((value) => value !== null);
  const high = roundAbove(Math.max(0, ...values));
  const across = (ago) => WIDE - RIGHT - (ago / seconds) * (WIDE - RIGHT - LEFT);
  const up = (value) => TALL - BOTTOM - (value / high) * (TALL - BOTTOM - TOP);
  const last = lines.map((line) => line.points.at(-1)?.[1] ?? null);
  const spoken = lines.map((line, place) => `${line.name}: ${last[place] === null ? t("no_value") : told(last[place])}`).join(", ");
  return html`<figure class="plot"><figcaption><strong>${title}</strong>
      <span class="legend">${lines.map((line, place) => html`<span class=${`line${place}`}><i aria-hidden="true"></i>${line.name} <b>${last[place] === null ? "–" : told(last[place])}</b></span>`)}</span></figcaption>
    <svg viewBox=${`0 0 ${WIDE} ${TALL}`} role="img" aria-label=${`${title}. ${spoken}`}>
      ${[0, high / 2, high].map((tick) => html`<line x1=${LEFT} x2=${WIDE - RIGHT} y1=${up(tick)} y2=${up(tick)} class="grid" />
        <text x=${LEFT - 5} y=${up(tick) + 3.5} text-anchor="end">${told(tick)}</text>`)}
      <text x=${LEFT} y=${TALL - 4}>−${t("seconds", { seconds: number(seconds) })}</text>
      <text x=${WIDE - RIGHT} y=${TALL - 4} text-anchor="end">${t("now")}</text>
      ${lines.map((line, place) => runs(line.points).map((run) => html`<polyline class=${`line${place}`}
        points=${run.map(([ago, value]) => `${across(ago).toFixed(1)},${up(value).toFixed(1)}`).join(" ")} />`))}
    </svg></figure>`;
}

/** Pieces of a line between points without a value; a point alone is drawn as a dash. */
function runs(points) {
  const found = [];
  let open = false;
  for (const point of points) {
    if (point[1] !== null && !open) found.push([]);
    open = point[1] !== null;
    if (open) found.at(-1).push(point);
  }
  return found.map((run) => (run.length > 1 ? run : [[run[0][0] + 1, run[0][1]], run[0]]));
}

/** The next of 1, 2, 4, 5, 10 ... at or above a value. */
export function roundAbove(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((factor) => factor * unit).find((mark) => mark >= value * 0.999);
}
