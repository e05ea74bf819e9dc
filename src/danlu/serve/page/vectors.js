// Vectors of texts: which texts are alike, and what the numbers look like.
import { html, useState } from "./vendor/htm-preact.js";
import { Bars } from "./parts.js";
import { number, t } from "./words.js";

const SHOWN = 96; // numbers of a vector that are drawn

export function Vectors({ records, predictions }) {
  const [about, setAbout] = useState(0);
  const texts = records.map((record) => record.text ?? JSON.stringify(record));
  const place = Math.min(about, texts.length - 1);
  const vectors = predictions.map((each) => each.vector);
  const alike = texts
    .map((text, other) => [`${other + 1}. ${text}`, cosine(vectors[place], vectors[other]), other])
    .filter(([, , other]) => other !== place)
    .sort((one, other) => other[1] - one[1])
    .map(([text, value]) => [text, value, number(value, "cosine")]);
  return html`${texts.length > 1 ? html`<h3>${t("similar")}</h3>
      <p class="quiet">${t("similar_told")}</p>
      <div class="texts" role="group" aria-label=${t("similar_to")}>${texts.map((text, other) => html`
        <button type="button" class="chip" dir="auto" aria-pressed=${other === place} onClick=${() => setAbout(other)}>${other + 1}. ${text}</button>`)}</div>
      <${Bars} rows=${alike} />`
    : html`<p class="quiet">${t("more_texts")}</p>`}
    <details open=${texts.length === 1}><summary>${t("vector_of", { count: number(vectors[0].length) })}</summary>
      ${texts.map((text, other) => html`<figure class="vector"><figcaption dir="auto">${other + 1}. ${text}</figcaption>
        <${Drawn} vector=${vectors[other]} /></figure>`)}</details>`;
}

function Drawn({ vector }) {
  const shown = vector.slice(0, SHOWN);
  const most = Math.max(...shown.map(Math.abs)) || 1;
  const title = t("vector_told", { shown: number(shown.length), count: number(vector.length) });
  return html`<svg viewBox=${`0 0 ${shown.length * 4} 32`} preserveAspectRatio="none" role="img" aria-label=${title}>
    <line x1="0" x2=${shown.length * 4} y1="16" y2="16" class="grid" />
    ${shown.map((value, place) => {
      const tall = (Math.abs(value) / most) * 15;
      return html`<rect x=${place * 4 + 0.5} width="3" y=${value >= 0 ? 16 - tall : 16} height=${tall} class=${value >= 0 ? "more" : "less"} />`;
    })}</svg>`;
}

/** The cosine of the angle between two vectors, -1 to 1. */
export function cosine(one, other) {
  const product = (left, right) => left.reduce((sum, value, place) => sum + value * right[place], 0);
  return product(one, other) / (Math.sqrt(product(one, one) * product(other, other)) || 1);
}
