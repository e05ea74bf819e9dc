// The share of negative texts over time above the number of texts, drawn as SVG; alerts are marked.
import { html } from "./vendor/htm-preact.js";
import { roundAbove } from "./plots.js";
import { number, t } from "./words.js";
import { moment } from "./moment.js";

const [WIDE, TALL, LEFT, RIGHT, TOP, MIDDLE, BOTTOM] = [720, 250, 44, 8, 14, 176, 232];
const LEAST = 0.2; // a scale of shares goes at least to this
const SMOOTH = 24; // texts: the line is the share among at least so many, the last ones

export function TrendPlot({ trend, level, title }) {
  const { first, last, seconds, points, alerts, group } = trend;
  const across = (step) => LEFT + ((step - first) / Math.max(1, last + 1 - first)) * (WIDE - LEFT - RIGHT);
  const line = smoothed(points);
  const high = Math.min(1, Math.max(LEAST, ...line.map(([, share]) => share), level ?? 0) * 1.1);
  const up = (share) => MIDDLE - (share / high) * (MIDDLE - TOP);
  const most = roundAbove(Math.max(1, ...points.map((point) => point.texts)));
  const tall = (texts) => (texts / most) * (BOTTOM - MIDDLE - 12);
  const texts = points.reduce((sum, point) => sum + point.texts, 0);
  const negatives = points.reduce((sum, point) => sum + point.negatives, 0);
  const share = texts ? negatives / texts : 0;
  const spoken = t("trend_spoken", { texts: number(texts), share: number(share, "percent"), alerts: number(alerts.length) });
  const bar = Math.max(1, across(first + group) - across(first) - 0.5);
  return html`<figure class="plot trend"><figcaption><strong>${title}</strong>
      <span class="legend"><span class="shares"><i aria-hidden="true"></i>${t("share_line")} <b>${number(share, "percent")}</b></span>
        <span class="usual"><i aria-hidden="true"></i>${t("usual_line")} <b>${level === null ? "–" : number(level, "percent")}</b></span>
        <span class="counts"><i aria-hidden="true"></i>${t("count_bars")} <b>${number(texts)}</b></span></span></figcaption>
    <svg viewBox=${`0 0 ${WIDE} ${TALL}`} role="img" aria-label=${`${title}. ${spoken}`}>
      ${[0, high / 2, high].map((tick) => html`<line x1=${LEFT} x2=${WIDE - RIGHT} y1=${up(tick)} y2=${up(tick)} class="grid" />
        <text x=${LEFT - 5} y=${up(tick) + 3.5} text-anchor="end">${number(tick, "percent")}</text>`)}
      <text x=${LEFT - 5} y=${BOTTOM - tall(most) + 8} text-anchor="end">${number(most)}</text>
      ${points.map((point) => html`<rect class="counts" x=${across(point.step).toFixed(1)} width=${bar.toFixed(1)} y=${(BOTTOM - tall(point.texts)).toFixed(1)} height=${tall(point.texts).toFixed(1)} />
        <rect class="negatives" x=${across(point.step).toFixed(1)} width=${bar.toFixed(1)} y=${(BOTTOM - tall(point.negatives)).toFixed(1)} height=${tall(point.negatives).toFixed(1)} />`)}
      ${level === null ? null : html`<line class="usual" x1=${LEFT} x2=${WIDE - RIGHT} y1=${up(level)} y2=${up(level)} />`}
      ${line.length > 1 ? html`<polyline class="shares" points=${line.map(([step, value]) => `${across(step + group / 2).toFixed(1)},${up(value).toFixed(1)}`).join(" ")} />` : null}
      ${alerts.map((alert) => html`<g class="mark"><line x1=${across(alert.told.step + 1)} x2=${across(alert.told.step + 1)} y1=${TOP - 4} y2=${BOTTOM} />
        <text x=${across(alert.told.step + 1)} y=${TOP - 4} text-anchor="middle">${alert.told.direction === "up" ? "▲" : "▼"}<title>${moment((alert.told.step + 1) * seconds)}</title></text></g>`)}
      <text x=${LEFT} y=${TALL - 4}>${moment(first * seconds)}</text>
      <text x=${WIDE - RIGHT} y=${TALL - 4} text-anchor="end">${moment((last + 1) * seconds)}</text>
    </svg></figure>`;
}

/** The share among the last texts at each point, of at least `SMOOTH` of them; single steps hold too few. */
function smoothed(points) {
  const found = [];
  const held = [];
  let texts = 0;
  let negatives = 0;
  for (const point of points) {
    held.push(point);
    texts += point.texts;
    negatives += point.negatives;
    while (held.length > 1 && texts - held[0].texts >= SMOOTH) {
      texts -= held[0].texts;
      negatives -= held[0].negatives;
      held.shift();
    }
    if (texts >= SMOOTH) found.push([point.step, negatives / texts]);
  }
  return found;
}
