// What a model says of a record.
import { html, useRef, useState } from "./vendor/htm-preact.js";
import { predict } from "./api.js";
import { Answers } from "./answers.js";
import { Heading, ModelChoice, Plain, Problem } from "./parts.js";
import { RecordForm } from "./record.js";
import { number, t } from "./words.js";

/** One question under way at most: its result or its error, and how it is stopped. */
export function useAsked(call) {
  const [state, setState] = useState({ busy: false });
  const last = useRef(null);
  const stop = () => last.current?.abort();
  async function ask(...given) {
    stop();
    const mine = (last.current = new AbortController());
    setState({ busy: true });
    try {
      const result = await call(mine.signal, ...given);
      if (last.current === mine) setState({ busy: false, result });
    } catch (error) {
      if (last.current === mine) setState({ busy: false, error: error.name === "AbortError" ? null : error });
    }
  }
  function clear() {
    stop();
    last.current = null;
    setState({ busy: false });
  }
  return { ...state, ask, stop, clear };
}

export function Predict({ models }) {
  const [chosen, setChosen] = useState(models[0].id);
  const model = models.find((each) => each.id === chosen) ?? models[0];
  const asked = useAsked((signal, records) => predict(model, records, signal));
  return html`<${Heading} told=${t("predict_told")}>${t("predict")}</${Heading}>
    <div class="sides"><div class="card">
      <${ModelChoice} models=${models} value=${model.id} onChange=${(id) => { asked.clear(); setChosen(id); }} />
      <${Facts} model=${model} />
      <${RecordForm} key=${model.id} models=${[model]} busy=${asked.busy} onAsk=${asked.ask} onStop=${asked.stop} />
    </div>
    <section class="card result" aria-label=${t("answer")} aria-live="polite" aria-busy=${asked.busy}>
      <${Result} ...${asked} />
    </section></div>`;
}

export function Facts({ model }) {
  return html`<p class="quiet facts">${t("facts", { task: model.task, tokens: number(model.max_length), precision: model.precision })}</p>`;
}

/** What came of a question. */
export function Result({ busy, error, result }) {
  if (busy) return html`<p class="quiet">${t("working")}</p>`;
  if (error) return html`<${Problem} error=${error} />`;
  if (!result) return html`<p class="quiet">${t("nothing_yet")}</p>`;
  const { answer, model, records, body, milliseconds } = result;
  return html`<${Answers} model=${model} records=${records} predictions=${answer.predictions} />
    <p class="quiet facts">${t("took", { milliseconds: number(milliseconds), tokens: number(answer.usage.tokens) })}</p>
    <${Plain} request=${{ path: "POST /v1/predict", body }} answer=${answer.predictions} />`;
}
