// A training as its log tells it: curves, notices, samples, the newest lines.
import { html, useState } from "./vendor/htm-preact.js";
import { CurvePlot } from "./curve_plot.js";
import { Problem } from "./parts.js";
import { address, usePolled } from "./polled.js";
import { seriesName, value } from "./told.js";
import { number, t } from "./words.js";

const FIRST = ["loss", "rate", "gradient_norm", "tokens_per_second", "share_of_limit"];
const FROM_NOTHING = ["rate", "tokens_per_second", "share_of_limit", "attention"];

export function Training({ run, stage, seen, live }) {
  const [more, setMore] = useState(false);
  const [pace, setPace] = useState(1000);
  const said = usePolled(address("v1/curves", { run, stage: stage.name }), seen, live ? 1500 : pace);
  const written = usePolled(address("v1/samples", { run, stage: stage.name }), seen, live ? 5000 : 60000);
  const told = said.value;
  if (told && told.read >= 1 && pace !== 10000) setPace(10000);
  if (!told) return html`<${Problem} error=${said.error} />`;
  const metrics = validated(told.validations);
  const names = ordered(Object.keys(told.series), Object.keys(metrics).length > 0);
  const shown = more ? names : names.filter((name) => FIRST.includes(name));
  const marks = told.notices.map((notice) => notice.step).slice(-50);
  const plot = (name) => html`<${CurvePlot} key=${`s ${name}`} title=${seriesName(name)} from=${FROM_NOTHING.includes(name) ? 0 : null} marks=${name === "loss" ? marks : []}
    lines=${[{ name: t("train_line"), points: told.series[name].points }]} />`;
  return html`<${Problem} error=${said.error} />
    <p class="quiet log-facts"><span>${t("log_lines", { lines: number(told.lines) })}</span>
      ${told.read < 1 ? html` <span role="status">${t("log_read", { share: number(told.read, "percent") })}</span>` : null}
      ${told.width > 1 ? html` <span>${t("log_thinned", { steps: number(told.width) })}</span>` : null}
      ${told.bad ? html` <span class="bad">${t("log_bad", { lines: number(told.bad) })}</span>` : null}</p>
    <div class="plots">${shown.slice(0, 1).map(plot)}
      ${Object.entries(metrics).map(([name, points], place) => html`<${CurvePlot} key=${`v ${name}`} title=${name} lines=${[{ name: t("validation_line"), points, dots: true, color: 1 }]} />`)}
      ${shown.slice(1).map(plot)}</div>
    ${names.length > shown.length || more ? html`<p><button type="button" class="small" onClick=${() => setMore(!more)}>${more ? t("fewer_curves") : t("more_curves", { count: names.length - shown.length })}</button></p>` : null}
    <${Notices} notices=${told.notices} />
    <${Samples} validations=${written.value?.samples ?? []} />
    <details class="card" open=${live}><summary>${t("newest_lines")}</summary><pre class="newest" tabindex="0" dir="auto">${told.newest.slice(-12).join("\n")}</pre></details>`;
}

function ordered(names) {
  const place = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...names].sort((one, other) => place(one) - place(other));
}

/** Points of each metric, as curves have them. */
export function validated(validations) {
  const found = {};
  for (const { step, metrics } of validations) {
    for (const [name, each] of Object.entries(metrics)) {
      if (each !== null && Object.keys(found).length < 12) (found[name] ??= []).push([step, each, each, each]);
    }
  }
  return found;
}

function Notices({ notices }) {
  if (!notices.length) return null;
  return html`<details class="card notices" open><summary>${t("notices", { count: number(notices.length) })}</summary>
    <ul>${notices.slice(-20).reverse().map((notice) => html`<li dir="auto"><b>${t("at_step", { step: number(notice.step) })}</b> ${notice.event}
      <span class="quiet">${Object.entries(notice).filter(([name]) => !["step", "epoch", "event"].includes(name)).map(([name, each]) => ` ${name} ${typeof each === "number" ? value(each) : each}`)}</span></li>`)}</ul></details>`;
}

function Samples({ validations }) {
  const [chosen, setChosen] = useState(null);
  if (!validations.length) return null;
  const at = chosen === null ? validations.length - 1 : Math.min(chosen, validations.length - 1);
  const { step, samples } = validations[at];
  return html`<section class="card samples-card"><h3>${t("samples_title")}</h3>
    <label class="samples-at"><span>${t("at_step", { step: number(step) })}</span>
      <input type="range" min="0" max=${validations.length - 1} value=${at} onInput=${(event) => setChosen(Number(event.target.value))} aria-label=${t("samples_when")} /></label>
    ${samples.map((sample) => html`<dl class="sample"><dt>${t("sample_input")}</dt><dd class="quiet" dir="auto">${sample.input}</dd>
      <dt>${t("sample_written")}</dt><dd class="wrote" dir="auto">${sample.written}</dd>
      ${sample.truth ? html`<dt>${t("sample_truth")}</dt><dd class="quiet" dir="auto">${sample.truth}</dd>` : null}</dl>`)}</section>`;
}
