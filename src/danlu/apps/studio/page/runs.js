// The runs of a folder: the list of all, and what can be started.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Heading, Problem } from "./parts.js";
import { usePolled } from "./polled.js";
import { Run } from "./run.js";
import { State, Score, ago, lasted } from "./told.js";
import { number, t } from "./words.js";

const EVERY = 3000; // milliseconds

export function Runs({ seen, at }) {
  const name = at[0] || null;
  const said = usePolled("v1/runs", seen && name === null, EVERY);
  const [chosen, setChosen] = useState([]);
  if (name !== null) return html`<${Run} key=${name} name=${name} stage=${at[1] || null} seen=${seen} />`;
  const told = said.value;
  const choose = (run, on) => setChosen(on ? [...chosen, run] : chosen.filter((each) => each !== run));
  const here = told ? chosen.filter((each) => told.runs.some((run) => run.name === each)) : [];
  return html`<${Heading} told=${told ? t("runs_told", { folder: told.folder }) : null}>${t("runs")}<//>
    <${Problem} error=${said.error} />
    ${told ? html`<${Start} recipes=${told.recipes} />
      ${told.runs.length ? html`<${List} told=${told} chosen=${here} choose=${choose} />` : html`<p class="card">${t("no_runs")}</p>`}
      <${Notes} notes=${told.notes} />` : html`<p class="quiet" role="status">${t("opening")}</p>`}`;
}

/** Sentences on what cannot be shown. */
export function Notes({ notes }) {
  if (!notes?.length) return null;
  return html`<details class="card notes"><summary>${t("notes", { count: number(notes.length) })}</summary>
    <ul>${notes.map((note) => html`<li dir="auto">${note}</li>`)}</ul></details>`;
}

function Start({ recipes }) {
  const [file, setFile] = useState("");
  const [overrides, setOverrides] = useState("");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const known = recipes.filter((recipe) => !recipe.wrong);
  const wrong = recipes.filter((recipe) => recipe.wrong).map((recipe) => recipe.wrong);
  const picked = known.some((recipe) => recipe.file === file) ? file : known[0]?.file ?? "";

  async function start(event) {
    event.preventDefault();
    setBusy(true);
    try {
      const lines = overrides.split("\n").map((line) => line.trim()).filter((line) => line);
      const { run } = await ask("v1/start", { recipe: picked, overrides: lines });
      setError(null);
      location.hash = `#runs/${encodeURIComponent(run)}`;
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }

  return html`<details class="card start"><summary>${t("start_a_run")}</summary>
    <form onSubmit=${start}><div class="start-fields">
      <div class="field"><label for="recipe-file">${t("recipe_file")}</label>
        <select id="recipe-file" value=${picked} onChange=${(event) => setFile(event.target.value)}>
          ${known.map((recipe) => html`<option key=${recipe.file} value=${recipe.file} selected=${recipe.file === picked}>${recipe.file} → ${recipe.name}</option>`)}</select></div>
      <div class="field"><label for="overrides">${t("overrides")} <span class="quiet">${t("optional")}</span></label>
        <textarea id="overrides" class="code" rows="2" spellcheck=${false} placeholder="train.train.rate=1e-4" value=${overrides} onInput=${(event) => setOverrides(event.target.value)}></textarea></div>
      <button type="submit" class="main" disabled=${busy || !picked}>${t("start")}</button></div></form>
    <${Problem} error=${error} />
    ${wrong.map((each) => html`<p class="problem" dir="auto">${each}</p>`)}</details>`;
}

function List({ told, chosen, choose }) {
  return html`<div class="buttons list-buttons"><span class="quiet">${t("run_count", { count: number(told.runs.length) })}</span>
      ${chosen.length > 1 ? html`<a class="button" href=${`#compare_runs/${chosen.map(encodeURIComponent).join("/")}`}>${t("compare_chosen", { count: chosen.length })}</a>`
        : html`<span class="quiet">${t("choose_two")}</span>`}</div>
    <div class="card runs-card"><table class="runs"><thead><tr><th><span class="unseen">${t("choose")}</span></th><th>${t("run")}</th><th>${t("run_state")}</th><th>${t("stages")}</th>
      <th class="figure">${t("run_score")}</th><th class="figure">${t("run_time")}</th><th class="figure">${t("run_age")}</th></tr></thead>
    <tbody>${told.runs.map((run) => html`<tr key=${run.name}>
      <td class="pick"><input type="checkbox" aria-label=${t("choose_run", { run: run.name })} checked=${chosen.includes(run.name)} onChange=${(event) => choose(run.name, event.target.checked)} /></td>
      <td class="run-name"><a href=${`#runs/${encodeURIComponent(run.name)}`}><bdi>${run.name}</bdi></a></td>
      <td><${State} state=${run.state} /></td>
      <td><${Stages} stages=${run.stages} /></td>
      <td class="figure">${run.score ? html`<span class="quiet metric" dir="auto">${run.score.metric}</span> ` : null}<${Score} score=${run.score} /></td>
      <td class="figure">${lasted(run.seconds)}</td>
      <td class="figure">${run.changed ? ago(told.now - run.changed) : "–"}</td></tr>`)}</tbody></table></div>`;
}

/** A block a stage: filled as far as it is done. */
function Stages({ stages }) {
  const at = stages.find((stage) => stage.state === "running") ?? stages.find((stage) => stage.state === "unfinished");
  const done = stages.filter((stage) => stage.state === "done").length;
  return html`<span class="blocks" role="img" aria-label=${t("stages_done", { done, all: stages.length })}>
      ${stages.slice(0, 24).map((stage) => html`<i class=${stage.state} title=${`${stage.name}: ${t(`stage_${stage.state}`)}`}><b style=${{ width: `${(stage.state === "done" ? 1 : stage.progress ?? 0) * 100}%` }}></b></i>`)}</span>
    <span class="at-stage" dir="auto">${at ? html`${at.name}${at.progress === null ? "" : ` ${number(at.progress, "percent")}`}` : html`<span class="quiet">${t("stages_done", { done, all: stages.length })}</span>`}</span>`;
}
