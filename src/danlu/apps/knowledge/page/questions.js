// Questions one after the other, each with its answer and the places where that stands.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { colour, Passage } from "./cited.js";
import { Copy, Heading, Plain, Problem } from "./parts.js";
import { number, t } from "./words.js";

export function Questions({ loaded }) {
  const [turns, setTurns] = useState([]);
  const [draft, setDraft] = useState("");
  const [asking, setAsking] = useState("");
  const [error, setError] = useState(null);
  const field = useRef(null);
  const last = useRef(null);
  const stopped = useRef(null);

  useEffect(() => {
    last.current?.scrollIntoView({ block: "start", behavior: "smooth" });
  }, [turns.length]);

  async function send(event) {
    event.preventDefault();
    const question = draft.trim();
    if (!question || asking) return;
    const before = turns.findLast(({ answer }) => answer.answered)?.answer;
    const body = { question, ...(before ? { before: { question: before.read_as, subject: before.subject } } : {}) };
    setAsking(question);
    setDraft("");
    stopped.current = new AbortController();
    try {
      const answer = await ask("v1/ask", body, stopped.current.signal);
      setTurns((old) => [...old, { question, body, answer }]);
      setError(null);
    } catch (problem) {
      setDraft((now) => now || question); // what was not answered goes back to where it can be changed
      setError(problem.name === "AbortError" ? null : problem);
    }
    setAsking("");
    field.current?.focus();
  }

  function keys(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  }

  return html`<${Heading} told=${t("questions_told", { count: number(loaded.count) })}>${t("questions")}</${Heading}>
    <div aria-live="polite" aria-busy=${asking !== ""}>
      ${turns.length || asking ? null : html`<p class="quiet">${t("first_question")}</p>`}
      ${turns.map((turn, place) => html`<div key=${place} ref=${place === turns.length - 1 ? last : null}><${Turn} ...${turn} /></div>`)}
      ${asking ? html`<article class="card"><h3 dir="auto">${asking}</h3><p class="quiet">${t("looking")}</p></article>` : null}
    </div>
    <${Problem} error=${error} />
    <form class="card" onSubmit=${send}>
      <div class="field"><label for="question">${t("question")}</label>
        <textarea id="question" ref=${field} rows="2" dir="auto" required maxlength="2000" value=${draft} onKeyDown=${keys}
          onInput=${(event) => setDraft(event.target.value)}></textarea></div>
      <div class="buttons"><button type="submit" class="main" disabled=${asking !== ""}>${t("put_question")}</button>
        ${asking ? html`<button type="button" onClick=${() => stopped.current.abort()}>${t("stop")}</button>` : null}
        ${turns.length ? html`<button type="button" class="small" onClick=${() => { setTurns([]); setError(null); field.current?.focus(); }}>${t("forget")}</button>` : null}
        <span class="quiet keys">${t("keys_question")}</span></div>
    </form>`;
}

function Turn({ question, body, answer }) {
  const rests = new Set(answer.cited.map((each) => each.number));
  const named = answer.passages.filter((each) => rests.has(each.number));
  const others = answer.passages.filter((each) => !rests.has(each.number));
  return html`<article class="card turn">
    <h3 dir="auto">${question}</h3>
    ${answer.how === "as_asked" ? null : html`<p class="quiet">${t("read_as", { question: answer.read_as })} (${t(`how_${answer.how}`)})</p>`}
    ${answer.answered
      ? html`<p class=${answer.way === "write" ? "written" : "large"} dir="auto"><${Said} answer=${answer} /></p>
        <p class="facts quiet"><${Copy} value=${answer.text} /> ${t(`way_${answer.way}`)} ${t("certainty", { share: number(Math.min(0.99, answer.sure), "percent") })}</p>
        <h4>${t("rests_on")}</h4>${named.map((each) => html`<${Passage} key=${each.number} passage=${each} cited=${answer.cited} />`)}`
      : html`<p class="none" role="note"><strong>${t("no_answer_here")}</strong> ${t(`why_${answer.why}`)}</p>`}
    ${answer.dropped.length ? html`<details><summary>${t("dropped", { count: number(answer.dropped.length) })}</summary>
      <ul>${answer.dropped.map((each) => html`<li dir="auto">${each}</li>`)}</ul></details>` : null}
    ${others.length ? html`<details><summary>${t(answer.answered ? "other_passages" : "near_passages", { count: number(others.length) })}</summary>
      ${others.map((each) => html`<${Passage} key=${each.number} passage=${each} cited=${[]} />`)}</details>` : null}
    <${Plain} request=${{ path: "POST v1/ask", body }} answer=${answer} />
  </article>`;
}

/** The answer with the number of each passage in its colour; a piece that is no sentence of a model has its own behind it. */
function Said({ answer }) {
  const badge = (each) => html`<sup class=${`number ${colour(each)}`}>${each}</sup>`;
  if (answer.way !== "write") return html`${answer.text} ${badge(answer.cited[0].number)}`;
  const known = new Set(answer.cited.map((each) => each.number)); // other numbers in brackets are of the text
  return answer.text.split(/\[(\d+)\]/).map((piece, place) => {
    if (place % 2 === 0) return piece;
    return known.has(Number(piece)) ? badge(Number(piece)) : `[${piece}]`;
  });
}
