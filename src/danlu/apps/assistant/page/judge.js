// Whether an answer was right, or what would have been.
import { html, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Problem, useName } from "./parts.js";
import { t } from "./words.js";

export function Judge({ turn, kind, nearest, onKept = () => {} }) {
  const [writing, setWriting] = useState(false);
  const [answer, setAnswer] = useState("");
  const [kept, setKept] = useState(null);
  const [error, setError] = useState(null);
  const field = useRef(null);
  const about = useRef(turn); // that the answer is written for, though the customer may ask more meanwhile
  const name = useName();

  async function keep(verdict, right) {
    try {
      const judged = right === undefined ? turn : about.current;
      await ask("v1/judge", right === undefined ? { turn, verdict } : { turn: judged, verdict, answer: right });
      setKept({ turn: judged, verdict });
      setAnswer("");
      setWriting(false);
      setError(null);
      onKept();
    } catch (problem) {
      setError(problem);
    }
  }
  function begin() {
    about.current = turn;
    setWriting(true);
    setTimeout(() => field.current?.focus());
  }
  if (kept?.turn === turn) return html`<p class="facts good" role="status">${t(`kept_${kept.verdict}`)}</p>`;
  return html`<div class="facts">
    ${kind === "person" ? null : html`<button type="button" class="small" onClick=${() => keep("right")}>${t("judge_right")}</button>
      <button type="button" class="small" onClick=${() => keep("wrong")}>${t("wrong")}</button>`}
    ${writing ? null : html`<button type="button" class="small" onClick=${begin}>${t("correct")}</button>`}
    ${writing ? html`<form onSubmit=${(event) => { event.preventDefault(); keep("corrected", answer); }}>
      ${nearest.map((each) => html`<p class="texts"><button type="button" class="chip" onClick=${() => setAnswer(each.answer)}>${t("take")}</button> <span dir="auto">${each.answer}</span></p>`)}
      <div class="field"><label for=${name}>${t("right_answer")}</label>
        <textarea id=${name} ref=${field} rows="3" dir="auto" required maxlength="20000" value=${answer} onInput=${(event) => setAnswer(event.target.value)}></textarea></div>
      <div class="buttons"><button type="submit" class="main">${t("keep")}</button><button type="button" class="small" onClick=${() => setWriting(false)}>${t("cancel")}</button></div>
    </form>` : null}
    <${Problem} error=${error} /></div>`;
}
