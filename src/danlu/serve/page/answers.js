// Predictions, each shown as its form asks for; a form that is not known here is shown as JSON.
import { html } from "./vendor/htm-preact.js";
import { Bars, Copy, shortened } from "./parts.js";
import { Excerpt, Spans } from "./marked.js";
import { Vectors } from "./vectors.js";
import { number, t } from "./words.js";

const MOST = 12; // bars of one answer

const FORMS = {
  label: Label,
  labels: Labels,
  number: ({ prediction }) => html`<p class="large">${number(prediction.number, "exact")}</p>`,
  spans: Spans,
  choice: Choice,
  text: Text,
  excerpt: Excerpt,
  ranking: Ranking,
  likelihood: Likelihood,
  preference: Preference,
};

export function Answers({ model, records, predictions }) {
  if (model.answers === "vector" && predictions.every((each) => each.vector)) {
    return html`<${Vectors} records=${records} predictions=${predictions} />`;
  }
  const Form = FORMS[model.answers] ?? Unknown;
  return predictions.map((prediction, place) => html`<div class="answer" key=${place}>
    ${predictions.length > 1 ? html`<h3>${t("record", { number: place + 1 })}</h3>` : null}
    <${Form} model=${model} record=${records[place] ?? {}} prediction=${prediction} /></div>`);
}

const best = (scores) => Object.entries(scores ?? {}).sort((one, other) => other[1] - one[1]);

function Left({ count }) {
  return count > MOST ? html`<p class="quiet">${t("and_more", { count: number(count - MOST) })}</p>` : null;
}

function Label({ prediction }) {
  const rows = best(prediction.scores);
  return html`<p class="large" dir="auto">${prediction.label}</p>
    <${Bars} rows=${rows.slice(0, MOST)} chosen=${[prediction.label]} /><${Left} count=${rows.length} />`;
}

function Labels({ prediction }) {
  const rows = best(prediction.scores);
  return html`<p class="chips">${prediction.labels.length
      ? prediction.labels.map((label) => html`<span class="large" dir="auto">${label}</span> `)
      : html`<span class="large">${t("no_label")}</span>`}</p>
    <${Bars} rows=${rows.slice(0, MOST)} chosen=${prediction.labels} /><${Left} count=${rows.length} />`;
}

function Choice({ prediction, record }) {
  const options = record.choices ?? prediction.scores.map((_, place) => String(place + 1));
  const told = options.map((option, place) => `${String.fromCharCode(65 + (place % 26))} ${option}`);
  return html`<p class="large" dir="auto">${prediction.option ?? told[prediction.choice]}</p>
    <${Bars} rows=${told.map((option, place) => [option, prediction.scores[place]])} chosen=${[told[prediction.choice]]} />`;
}

function Text({ prediction }) {
  return html`<p class="written" dir="auto">${prediction.text || t("no_text")}</p>
    <p class="quiet facts">${prediction.ended === "length" ? t("ended_length") : null}
      ${typeof prediction.score === "number" ? ` ${t("sure", { share: number(prediction.score, "percent") })}` : null}</p>
    <${Copy} value=${prediction.text} />`;
}

function Ranking({ prediction }) {
  const scores = prediction.scores;
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const shares = low >= 0 && high <= 1;
  // scores that are no probabilities are drawn from the lowest to the highest
  const drawn = (score) => (shares ? score : (score - low) / (high - low || 1));
  const rows = prediction.ranking.map((name, place) => [`${place + 1}. ${name}`, drawn(scores[place]), number(scores[place], "exact")]);
  return html`<${Bars} rows=${rows} chosen=${rows.slice(0, 1).map(([name]) => name)} />`;
}

function Likelihood({ prediction }) {
  const { perplexity, negative_log_likelihood: nats, tokens, fills = [] } = prediction;
  return html`${perplexity === null ? null : html`<dl class="numbers">
      <div><dt>${t("perplexity")}</dt><dd>${number(perplexity, "exact")}</dd></div>
      <div><dt>${t("nats")}</dt><dd>${number(nats, "exact")}</dd></div>
      <div><dt>${t("tokens")}</dt><dd>${number(tokens)}</dd></div>
    </dl><p class="quiet">${t("perplexity_told")}</p>`}
    ${fills.map((fill, place) => html`<h3>${t("blank", { number: place + 1 })}</h3>
      <${Bars} rows=${fill.map((each) => [each.text, each.score])} chosen=${fill.length ? [fill[0].text] : []} />`)}`;
}

function Preference({ prediction, record }) {
  const names = ["chosen", "rejected"];
  const logs = prediction.log_probabilities;
  return html`<ol class="two">${names.map((name, place) => logs[place] === undefined ? null : html`
    <li class=${prediction.preferred === name ? "chosen" : ""}>
      <strong><code>${name}</code>${prediction.preferred === name ? html` ✓ ${t("preferred")}` : null}</strong>
      <p class="written" dir="auto">${typeof record[name] === "string" ? record[name] : shortened(record[name] ?? null)}</p>
      <p class="quiet">${t("log_probability", { value: number(logs[place], "exact") })}</p></li>`)}</ol>
    ${prediction.margin === null ? null : html`<p>${t("margin", { value: number(prediction.margin, "exact") })}</p>`}`;
}

function Unknown({ prediction }) {
  return html`<pre tabindex="0">${shortened(prediction)}</pre>`;
}
