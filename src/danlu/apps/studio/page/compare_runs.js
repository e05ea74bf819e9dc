// Runs side by side: curves in one plot, scores with their intervals, and the settings and versions that differ.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { CurvePlot } from "./curve_plot.js";
import { Heading, Problem } from "./parts.js";
import { address, usePolled } from "./polled.js";
import { Notes } from "./runs.js";
import { Score, State, lasted, seriesName } from "./told.js";
import { validated } from "./training.js";
import { t } from "./words.js";

const MOST = 8;
const DRAWN = ["loss", "tokens_per_second", "rate", "share_of_limit"];

export function Compare({ loaded, seen, at }) {
  const [kept, setKept] = useState([]);
  const names = (at.length ? at.filter((each) => each) : kept).slice(0, MOST);
  useEffect(() => {
    if (at.length) setKept(names);
  }, [at.join("/")]);
  const known = usePolled("v1/runs", seen, 10_000).value ?? loaded;
  const path = names.length ? address("v1/comparison", { runs: JSON.stringify(names) }) : null;
  const said = usePolled(path, seen, 5000);
  const told = said.value;
  return html`<${Heading} told=${t("compare_runs_told")}>${t("compare_runs")}<//>
    <${Choice} runs=${known.runs} names=${names} told=${told} />
    <${Problem} error=${said.error} />
    ${told ? html`<${Curves} told=${told} seen=${seen} />
      <${Scores} told=${told} />
      <${Differences} title=${t("settings_differ")} none=${t("settings_same")} rows=${told.settings} runs=${told.runs} more=${told.more} />
      <${Differences} title=${t("environment_differs")} none=${t("environment_same")} rows=${told.environment} runs=${told.runs} more=${0} />
      <${Notes} notes=${told.notes} />` : null}`;
}

const link = (names) => `#compare_runs/${names.map(encodeURIComponent).join("/")}`;

function Choice({ runs, names, told }) {
  const others = runs.filter((run) => !names.includes(run.name));
  const add = (event) => {
    if (event.target.value) location.hash = link([...names, event.target.value]);
  };
  return html`<div class="choice">${names.map((name, place) => {
    const run = told?.runs[place];
    return html`<span key=${name} class=${`picked line${place}`}><i class="stroke" aria-hidden="true"></i><a href=${`#runs/${encodeURIComponent(name)}`}><bdi>${name}</bdi></a>
      ${run ? html`<${State} state=${run.state} /> <span class="quiet">${lasted(run.seconds)}</span>` : null}
      <a class="leave" href=${link(names.filter((each) => each !== name))} aria-label=${t("leave_out", { run: name })}>×</a></span>`;
  })}
    ${others.length && names.length < MOST ? html`<select class="add" aria-label=${t("add_run")} value="" onChange=${add}><option value="">${t("add_run")}</option>
      ${others.map((run) => html`<option key=${run.name} value=${run.name}>${run.name}</option>`)}</select>` : null}</div>`;
}

function Curves({ told, seen }) {
  const stages = [...new Set(told.runs.flatMap((run) => run.logs))];
  const common = stages.findLast((stage) => told.runs.every((run) => run.logs.includes(stage))) ?? stages.at(-1) ?? null;
  const [chosen, setChosen] = useState(null);
  const stage = stages.includes(chosen) ? chosen : common;
  const { logs, error } = useLogs(told.runs, stage, seen);
  if (stage === null) return html`<p class="quiet">${t("no_curves")}</p>`;
  const line = (place, points, dots) => ({ name: told.runs[place].name, color: place, points, dots });
  const of = (name) => logs.flatMap((log, place) => (log?.series[name] ? [line(place, log.series[name].points)] : []));
  const metrics = [...new Set(logs.flatMap((log) => (log ? Object.keys(validated(log.validations)) : [])))].slice(0, 8);
  const scored = (name) => logs.flatMap((log, place) => {
    const points = log ? validated(log.validations)[name] : null;
    return points ? [line(place, points, true)] : [];
  });
  return html`${stages.length > 1 ? html`<p class="ways">${stages.map((each) => html`<label key=${each}><input type="radio" name="stage" checked=${each === stage} onChange=${() => setChosen(each)} /> <bdi>${each}</bdi></label> `)}</p>` : null}
    <${Problem} error=${error} />
    <div class="plots">${DRAWN.slice(0, 1).map((name) => html`<${CurvePlot} key=${name} title=${seriesName(name)} lines=${of(name)} />`)}
      ${metrics.map((name) => html`<${CurvePlot} key=${`v ${name}`} title=${`${t("validation_line")} · ${name}`} lines=${scored(name)} />`)}
      ${DRAWN.slice(1).filter((name) => of(name).length).map((name) => html`<${CurvePlot} key=${name} title=${seriesName(name)} from=${0} lines=${of(name)} />`)}</div>`;
}

/** The logs of a stage of all runs that have one, asked for again while one of them grows or is being read. */
function useLogs(runs, stage, seen) {
  const [state, setState] = useState({ logs: [], error: null });
  const names = JSON.stringify([stage, ...runs.map((run) => (run.logs.includes(stage) ? run.name : null))]);
  const live = runs.some((run) => run.state === "running");
  useEffect(() => {
    if (!seen || stage === null) return undefined;
    const ending = new AbortController();
    let timer;
    async function again() {
      let wait = live ? 3000 : 30_000;
      try {
        const [, ...asked] = JSON.parse(names);
        const logs = await Promise.all(asked.map((run) => run && ask(address("v1/curves", { run, stage }), undefined, ending.signal)));
        setState({ logs, error: null });
        if (logs.some((log) => log && log.read < 1)) wait = 1000;
      } catch (error) {
        if (error.name !== "AbortError") setState((before) => ({ ...before, error }));
      }
      if (!ending.signal.aborted) timer = setTimeout(again, wait);
    }
    setState({ logs: [], error: null });
    again();
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [names, seen, live]);
  return state;
}

function Scores({ told }) {
  if (!told.scores.length) return null;
  return html`<section class="card wide"><h3>${t("scores_title")}</h3><table class="compared"><thead><tr><th>${t("metric")}</th>${told.runs.map((run) => html`<th class="figure" dir="auto">${run.name}</th>`)}</tr></thead>
    <tbody>${told.scores.map((row) => html`<tr key=${`${row.stage} ${row.metric}`}><th scope="row" dir="auto">${row.metric} <span class="quiet">${row.stage}</span></th>
      ${row.values.map((score) => html`<td class="figure"><${Score} score=${score} /></td>`)}</tr>`)}</tbody></table></section>`;
}

function Differences({ title, none, rows, runs, more }) {
  return html`<section class="card wide"><h3>${title}</h3>${rows.length ? html`<table class="compared"><thead><tr><th></th>${runs.map((run) => html`<th dir="auto">${run.name}</th>`)}</tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.name}><th scope="row" dir="auto"><code>${row.name}</code></th>${row.values.map((each) => html`<td dir="auto">${each ?? html`<span class="quiet">${t("not_there")}</span>`}</td>`)}</tr>`)}</tbody></table>
    ${more ? html`<p class="quiet">${t("and_more", { count: more })}</p>` : null}` : html`<p class="quiet">${runs.length > 1 ? none : t("choose_two")}</p>`}</section>`;
}
