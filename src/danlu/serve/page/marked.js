// Texts with something marked in them. Places count characters as Python does, not the 16-bit units of JavaScript.
import { html } from "./vendor/htm-preact.js";
import { Bars } from "./parts.js";
import { number, t } from "./words.js";

const COLOURS = 8;

/** A text cut where spans begin and end: `{text, span, ends}`, with the shortest span over each piece. */
export function pieces(text, spans) {
  const letters = Array.from(text);
  const cuts = [...new Set([0, letters.length, ...spans.flatMap((span) => [span.start, span.end])])]
    .filter((cut) => cut >= 0 && cut <= letters.length)
    .sort((one, other) => one - other);
  return cuts.slice(1).map((end, place) => {
    const start = cuts[place];
    const over = spans.filter((span) => span.start <= start && span.end >= end);
    const span = over.sort((one, other) => one.end - one.start - (other.end - other.start))[0] ?? null;
    return { text: letters.slice(start, end).join(""), span, ends: span !== null && span.end === end };
  });
}

function Marked({ text, spans, colours }) {
  return html`<p class="marked" dir="auto">${pieces(text, spans).map(({ text: piece, span, ends }) => span === null
    ? piece
    : html`<mark class=${`c${colours.get(span.label) ?? 0}`}>${piece}${ends && span.label
        ? html`<span class="tag"><span class="unseen"> (</span>${span.label}<span class="unseen">) </span></span>` : null}</mark>`)}</p>`;
}

export function Spans({ model, record, prediction }) {
  const spans = prediction.entities;
  const labels = [...new Set([...model.labels, ...spans.map((span) => span.label)])];
  const colours = new Map(labels.map((label, place) => [label, place % COLOURS]));
  const text = textOf(model, record, spans);
  return html`${text === null ? null : html`<${Marked} text=${text} spans=${spans} colours=${colours} />`}
    ${spans.length === 0 ? html`<p>${t("no_span")}</p>` : html`<details open=${text === null}><summary>${t("spans_found", { count: number(spans.length) })}</summary>
      <div class="wide" tabindex="0" role="region" aria-label=${t("spans")}><table><thead><tr>
        <th scope="col">${t("text")}</th><th scope="col">${t("label")}</th><th scope="col">${t("place")}</th><th scope="col">${t("score")}</th></tr></thead>
      <tbody>${spans.map((span) => html`<tr><td dir="auto">${span.text}</td>
        <td><mark class=${`c${colours.get(span.label)}`}>${span.label}</mark></td><td>${span.start}–${span.end}</td>
        <td>${typeof span.score === "number" ? number(span.score, "percent") : ""}</td></tr>`)}</tbody></table></div></details>`}`;
}

/** The text that the places are in; words without a text are laid side by side or apart, which what was found tells. */
function textOf(model, record, spans) {
  const given = record[model.characters_of] ?? record.text;
  if (typeof given === "string") return given;
  const words = record.words ?? record.tokens;
  if (!Array.isArray(words)) return null;
  const fits = (text) => spans.every((span) => Array.from(text).slice(span.start, span.end).join("") === span.text);
  return ["", " "].map((between) => words.join(between)).find(fits) ?? null;
}

export function Excerpt({ model, record, prediction }) {
  const context = record[model.characters_of] ?? record.context;
  const span = { start: prediction.start, end: prediction.end, label: "" };
  const colours = new Map([["", 0]]);
  const rows = (prediction.answers ?? []).map((answer) => [answer.text || t("no_answer"), answer.score]);
  return html`<p class="large" dir="auto">${prediction.text || t("no_answer")}</p>
    ${typeof context === "string" && prediction.start !== null && prediction.start !== undefined
      ? html`<h3>${t("in_context")}</h3><${Marked} text=${context} spans=${[span]} colours=${colours} />` : null}
    ${rows.length > 1 ? html`<h3>${t("best_answers")}</h3><${Bars} rows=${rows} />` : null}`;
}
