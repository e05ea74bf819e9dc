// Passages with what an answer rests on in colour. Texts of documents are children of elements, never markup.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { pieces } from "./marked.js";
import { Problem } from "./parts.js";
import { number, t } from "./words.js";

const COLOURS = 8;

/** The colour of a passage, by its number. */
export const colour = (passage) => `c${(passage - 1) % COLOURS}`;

/** A text that begins at `start` of its document, with pieces of that document in the colour of their passage. */
function Coloured({ text, start, cited }) {
  const spans = cited.map((each) => ({ ...each, start: each.start - start, end: each.end - start }));
  return html`<p class="marked" dir="auto">${pieces(text, spans).map(({ text: piece, span }) =>
    span === null ? piece : html`<mark class=${colour(span.number)}>${piece}</mark>`)}</p>`;
}

/** A passage, and the document around it for who wants to read on. */
export function Passage({ passage, cited }) {
  const [around, setAround] = useState(null);
  const [error, setError] = useState(null);
  const own = cited.filter((each) => each.document === passage.document);
  const place = own[0] ?? passage;

  async function open() {
    if (around) return setAround(null);
    const query = new URLSearchParams({ document: passage.document, start: place.start, end: place.end });
    try {
      setAround(await ask(`v1/text?${query}`));
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }

  const shown = around ?? passage;
  const told = around
    ? t("characters", { start: number(around.start), end: number(around.start + Array.from(around.text).length), all: number(around.characters) })
    : t("span", { start: number(passage.start), end: number(passage.end) });
  return html`<article class="passage">
    <h4><span class=${`number ${colour(passage.number)}`}>${passage.number}</span> <span dir="auto">${passage.title || passage.document}</span>
      <span class="quiet"> <span dir="auto">${passage.document}</span>, ${told}</span></h4>
    <div class=${around ? "around" : ""} tabindex=${around ? 0 : null}><${Coloured} text=${shown.text} start=${shown.start} cited=${own} /></div>
    <${Problem} error=${error} />
    <p class="facts"><button type="button" class="small" aria-expanded=${around !== null} onClick=${open}>${around ? t("less") : t("whole")}</button></p>
  </article>`;
}
