// One run: its stages, and of one of them curves, notices, samples and the log; and what it says on the terminal.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Heading, Problem } from "./parts.js";
import { address, usePolled } from "./polled.js";
import { Notes } from "./runs.js";
import { Training } from "./training.js";
import { Score, State, ago, lasted } from "./told.js";
import { number, t } from "./words.js";

export function Run({ name, stage, seen }) {
  const said = usePolled(address("v1/run", { run: name }), seen, 2000);
  const told = said.value;
  const chosen = told ? told.stages.find((each) => each.name === stage) ?? shownFirst(told.stages) : null;
  return html`<p class="back"><a href="#runs">← ${t("all_runs")}</a></p>
    <${Heading}><bdi>${name}</bdi> ${told ? html`<${State} state=${told.state} />` : null}<//>
    <${Problem} error=${said.error} />
    ${told ? html`<${Facts} told=${told} again=${said.again} />
      <${Stages} run=${name} stages=${told.stages} chosen=${chosen} />
      ${chosen ? html`<${Scores} scores=${chosen.scores} />` : null}
      ${chosen?.log ? html`<${Training} key=${`${name}/${chosen.name}`} run=${name} stage=${chosen} seen=${seen} live=${chosen.state === "running"} />` : null}
      <${Output} text=${told.output} open=${!chosen?.log || told.state === "failed"} />
      <${Notes} notes=${told.notes} />` : said.error ? null : html`<p class="quiet" role="status">${t("opening")}</p>`}`;
}

/** What is at work, else the last training, else the last that has anything to show. */
function shownFirst(stages) {
  return stages.find((each) => each.state === "running") ?? stages.findLast((each) => each.log) ?? stages.findLast((each) => each.scores.length) ?? null;
}

function Facts({ told, again }) {
  const [error, setError] = useState(null);
  const [asked, setAsked] = useState(null);
  const alive = told.process !== null;
  const stopping = asked === told.process && alive;

  async function change(path) {
    try {
      await ask(path, { run: told.name });
      setError(null);
      setAsked(path === "v1/stop" ? told.process : null);
    } catch (problem) {
      setError(problem);
    }
    again();
  }

  return html`<div class="run-head"><dl class="numbers run-facts"><div><dt>${t("run_time")}</dt><dd>${lasted(told.seconds)}</dd></div>
      <div><dt>${t("run_age")}</dt><dd>${told.changed ? ago(told.now - told.changed) : "–"}</dd></div>
      ${told.score ? html`<div><dt dir="auto">${told.score.stage} · ${told.score.metric}</dt><dd><${Score} score=${told.score} /></dd></div>` : null}</dl>
    <div class="buttons">${alive
      ? html`<button type="button" onClick=${() => change("v1/stop")}>${stopping ? t("stop_at_once") : t("stop")}</button>`
      : html`<button type="button" class="main" onClick=${() => change("v1/resume")}>${told.state === "done" ? t("run_again") : t("go_on_run")}</button>`}
      <span role="status" class="quiet">${stopping ? t("stopping") : ""}</span></div></div>
    ${told.started ? html`<p class="quiet command"><code dir="auto">danlu run ${[told.started.recipe, ...told.started.overrides].join(" ")}</code></p>` : null}
    ${told.elsewhere ? html`<p class="problem" dir="auto">${t("elsewhere", { machine: told.elsewhere })}</p>` : null}
    ${told.state === "failed" ? html`<p class="problem" role="alert" dir="auto">${reason(told.output) ?? t("failed_told", { status: number(told.status ?? 1) })}</p>` : null}
    <${Problem} error=${error} />`;
}

/** What the command has said when it refused. */
function reason(output) {
  const lines = output.split("\n");
  const at = lines.findLastIndex((line) => line.startsWith("danlu: "));
  return at < 0 ? null : lines.slice(at, at + 6).join("\n").slice(7).trim();
}

function Stages({ run, stages, chosen }) {
  return html`<nav class="stages" aria-label=${t("stages")}>${stages.map((stage) => html`<a key=${stage.name} class=${stage.state} href=${`#runs/${encodeURIComponent(run)}/${encodeURIComponent(stage.name)}`}
      aria-current=${stage === chosen ? "true" : null}><b dir="auto">${stage.name}</b> <span class="quiet" dir="auto">${stage.kind}</span>
    <span class="stage-state">${t(`stage_${stage.state}`)}${stage.progress !== null && stage.state !== "done" ? ` ${number(stage.progress, "percent")}` : stage.seconds !== null ? ` · ${lasted(stage.seconds)}` : ""}</span></a>`)}</nav>`;
}

function Scores({ scores }) {
  if (!scores.length) return null;
  return html`<div class="card"><table class="scores-table"><thead><tr><th>${t("metric")}</th><th class="figure">${t("run_score")}</th></tr></thead>
    <tbody>${scores.map((score) => html`<tr key=${score.metric}><th scope="row" dir="auto">${score.metric}</th><td class="figure"><${Score} score=${score} /></td></tr>`)}</tbody></table></div>`;
}

function Output({ text, open }) {
  return html`<details class="card output" open=${open}><summary>${t("output")}</summary>
    ${text ? html`<pre tabindex="0" dir="auto">${text.split("\n").slice(-200).join("\n")}</pre>` : html`<p class="quiet">${t("no_output")}</p>`}</details>`;
}
