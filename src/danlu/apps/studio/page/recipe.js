// A recipe as a form and as text side by side, from data to what can be started.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Background, Labelled, Made, useBackground } from "./background.js";
import { useData } from "./data.js";
import { Section } from "./fields.js";
import { Heading, Problem, useName } from "./parts.js";
import { fieldsOf, isMapping, shapes } from "./schema.js";
import { language, t } from "./words.js";

const WAIT = 350; // milliseconds after the last key before a text is looked at

export function Recipe({ loaded, seen, at }) {
  const [text, setText] = useState(null);
  const [told, setTold] = useState({ name: "", digest: null, guesses: [] });
  const begun = (begins, facts) => { setText(begins); setTold({ name: "", digest: null, guesses: [], ...facts }); };
  return html`<div class="top"><${Heading} told=${t("recipe_told")}>${t("recipe")}</${Heading}></div>
    <${Begin} loaded=${loaded} seen=${seen} at=${at} open=${text === null} onBegun=${begun} />
    ${told.guesses.length ? html`<details class="card" open><summary>${t("guesses")}</summary><ul>${told.guesses.map((each) => html`<li dir="auto">${each.what}${each.how ? html` <span class="quiet">→ ${each.how}</span>` : null}</li>`)}</ul></details>` : null}
    ${text === null ? null : html`<${Editor} key=${JSON.stringify([text, told])} begins=${text} ...${told} />`}`;
}

/** What a recipe begins with: data and a task, one that is there, or nothing. */
function Begin({ loaded, seen, at, open, onBegun }) {
  const { found, error } = useData(seen);
  const [asked, setAsked] = useState({ task: "classify", data: "", from_model: "", settings: "" });
  const [problem, setProblem] = useState(null);
  const guessing = useBackground();
  const names = [useName(), useName(), useName(), useName(), useName()];
  useEffect(() => { if (seen && at[0] === "data" && at[1]) setAsked({ ...asked, data: at[1] }); }, [seen, at.join("/")]);
  useEffect(() => { if (seen && at[0] === "file" && at[1]) take(at[1]); }, [seen, at.join("/")]);
  useEffect(() => {
    const { job, result } = guessing;
    if (job?.state === "done" && result) onBegun(result.text, { name: result.name, guesses: result.guesses });
  }, [guessing.job?.state]);
  const put = (name) => (event) => setAsked({ ...asked, [name]: event.target.value });
  const data = asked.data || found?.data[0]?.address;
  async function take(file) {
    setProblem(null);
    try {
      const given = await ask(`v1/recipe/text?file=${encodeURIComponent(file)}`);
      onBegun(given.text, { name: file.replace(/\.ya?ml$/, ""), digest: given.digest });
    } catch (refused) {
      setProblem(refused);
    }
  }
  const recipes = (loaded?.recipes ?? []).map((each) => each.file ?? each);
  return html`<details class="card" open=${open}><summary>${t("begin_with")}</summary>
    <${Problem} error=${error ?? problem} />
    <form onSubmit=${(event) => { event.preventDefault(); guessing.begin("v1/begin", { ...asked, data, settings: asked.settings.split("\n").map((line) => line.trim()).filter(Boolean) }); }}><div class="row">
      <${Labelled} name=${names[0]} label=${t("data")}><select id=${names[0]} required onChange=${put("data")}>${found?.data.filter((each) => each.kind !== "prepared").map((each) => html`<option value=${each.address} selected=${each.address === data}>${each.name}</option>`)}</select></${Labelled}>
      <${Labelled} name=${names[1]} label=${t("task")}><select id=${names[1]} onChange=${put("task")}>${found?.tasks.map((each) => html`<option value=${each} selected=${each === asked.task}>${each}</option>`)}</select></${Labelled}>
      <${Labelled} name=${names[2]} label=${t("from_model")} hint=${t("from_model_hint")}><input id=${names[2]} type="text" value=${asked.from_model} onInput=${put("from_model")} /></${Labelled}>
      <${Labelled} name=${names[3]} label=${t("known_better")} hint=${t("known_better_hint")}><textarea id=${names[3]} class="code" rows="2" spellcheck=${false} value=${asked.settings} onInput=${put("settings")}></textarea></${Labelled}></div>
      <div class="buttons"><button type="submit" class="main" disabled=${guessing.busy || !data}>${t("guess")}</button>
        ${recipes.length ? html`<label for=${names[4]}>${t("or_open")}</label><select id=${names[4]} class="narrow" onChange=${(event) => event.target.value && take(event.target.value)}><option value="">…</option>${recipes.map((each) => html`<option value=${each}>${each}</option>`)}</select>` : null}
        <button type="button" onClick=${() => onBegun("name: mine\nstages:\n", { name: "mine" })}>${t("begin_empty")}</button></div>
    </form><${Background} ...${guessing} /></details>`;
}

/** The form and the text, of which each follows the other. */
function useForm(begins) {
  const [text, setText] = useState(begins);
  const [state, setState] = useState(null);
  const [problem, setProblem] = useState(null);
  const now = useRef({ text: begins, turn: 0, queue: Promise.resolve(), timer: null });

  function look(edits = []) {
    const mine = (now.current.turn += 1);
    now.current.queue = now.current.queue.then(async () => {
      try {
        const told = await ask("v1/form", { text: now.current.text, edits, language: language() });
        if (edits.length) {
          now.current.text = told.text;
          setText(told.text);
        }
        if (mine === now.current.turn || edits.length) setState((before) => ({ ...told, values: told.values ?? before?.values, broken: told.values === null }));
        setProblem(null);
      } catch (refused) {
        setProblem(refused);
      }
    });
  }
  function type(given) {
    now.current.text = given;
    setText(given);
    clearTimeout(now.current.timer);
    now.current.timer = setTimeout(look, WAIT);
  }
  useEffect(() => { look(); }, []);
  return { text, state, problem, type, edit: (change, keys, value) => look([{ do: change, keys, ...(value === undefined ? {} : { value }) }]) };
}

function Editor({ begins, name: named, digest: known }) {
  const { text, state, problem, type, edit } = useForm(begins);
  const [schema, setSchema] = useState(null);
  const [error, setError] = useState(null);
  const id = useName();
  useEffect(() => { ask(`v1/schema?language=${language()}`).then(setSchema, setError); }, [language()]);
  const lines = state?.mistakes.filter((each) => each.line).map((each) => each.line) ?? [];
  return html`<${Problem} error=${error ?? problem} />
    <${Mistakes} mistakes=${state?.mistakes ?? []} />
    <div class="editor">
      <section class="card form" aria-label=${t("form")} aria-busy=${!state || !schema}>
        ${!state || !schema ? html`<p class="quiet" role="status">${t("schema_waits")}</p>` : html`<fieldset disabled=${state.broken}>
          ${state.broken ? html`<p class="quiet">${t("form_waits")}</p>` : null}
          <${Whole} root=${schema} values=${state.values ?? {}} mistakes=${state.mistakes} edit=${edit} /></fieldset>`}
      </section>
      <section class="card yaml"><label for=${id}>YAML${lines.length ? html` <span class="bad">${t("wrong_lines", { lines: [...new Set(lines)].sort((one, other) => one - other).join(", ") })}</span>` : null}</label>
        <textarea id=${id} class="code" rows="28" spellcheck=${false} value=${text} onInput=${(event) => type(event.target.value)}></textarea></section>
    </div>
    <${Finish} text=${text} named=${named} known=${known} wrong=${Boolean(state?.mistakes.length)} />`;
}

function Mistakes({ mistakes }) {
  if (!mistakes.length) return null;
  return html`<div class="problem" role="status"><strong>${t("mistakes", { count: mistakes.length })}</strong><ul>${mistakes.map((each) => html`<li dir="auto"><code>${each.keys.join(".") || t("whole_recipe")}</code> ${each.line ? t("at_line", { line: each.line }) : ""} ${each.told}</li>`)}</ul></div>`;
}

function Whole({ root, values, mistakes, edit }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState("train");
  const names = [useName(), useName()];
  const stages = isMapping(values.stages) ? Object.entries(values.stages) : [];
  const [, node] = fieldsOf(root, root).find(([each]) => each === "stages");
  const { kinds } = shapes(root, node.additionalProperties)[0];
  const form = { root, mistakes, edit, stages: stages.map(([each]) => each) };
  return html`<${Section} form=${form} node=${root} value=${values} keys=${[]} left=${["stages"]} />
    ${stages.map(([stage, section]) => {
      const own = isMapping(section) ? section.kind : section;
      const keys = ["stages", stage];
      const told = mistakes.filter((each) => each.keys.length === 2 && each.keys[1] === stage);
      return html`<details key=${stage} class="stage" open><summary><code dir="auto">${stage}</code> <span class="quiet">${own}</span></summary>
        <p class="hint">${kinds[own]?.description}</p>${told.map((each) => html`<p class="problem" role="alert" dir="auto">${each.told}</p>`)}
        <${Section} key=${own} form=${form} node=${kinds[own] ?? {}} value=${section} keys=${keys} />
        <div class="adding"><label for=${`stage-${stage}`}>${t("stage_name")}</label><input id=${`stage-${stage}`} type="text" dir="auto" value=${stage} onChange=${(event) => event.target.value && edit("rename", keys, event.target.value)} /><button type="button" class="small" onClick=${() => edit("remove", keys)}>${t("leave_key", { name: stage })}</button></div></details>`;
    })}
    <div class="adding"><label for=${names[0]}>${t("new_stage")}</label><input id=${names[0]} type="text" placeholder=${t("name_of_key")} value=${name} onInput=${(event) => setName(event.target.value)} />
      <label class="unseen" for=${names[1]}>${t("kind")}</label><select id=${names[1]} class="narrow" onChange=${(event) => setKind(event.target.value)}>${Object.keys(kinds).map((each) => html`<option value=${each} selected=${each === kind}>${each}</option>`)}</select>
      <button type="button" disabled=${!name || form.stages.includes(name)} onClick=${() => { edit("set", ["stages", name], { kind }); setName(""); }}>${t("add_entry")}</button></div>`;
}

/** Look it over, save it, start it. */
function Finish({ text, named, known, wrong }) {
  const [name, setName] = useState(named);
  const [saved, setSaved] = useState(known ? { name: named, digest: known, text: null } : null);
  const [refused, setRefused] = useState(null);
  const [over, setOver] = useState(false);
  const checking = useBackground();
  const id = useName();
  const mine = saved && saved.name === name;

  async function save(replaces = mine ? saved.digest : null) {
    try {
      const told = await ask("v1/recipe", { name, text, replaces });
      setSaved({ name, digest: told.digest, text });
      setRefused(null);
      setOver(false);
      return told.file;
    } catch (error) {
      setRefused(error);
      setOver(true);
      return null;
    }
  }
  async function replace() {
    const there = await ask(`v1/recipe/text?file=${encodeURIComponent(`${name}.yaml`)}`).catch(() => null);
    await save(there?.digest ?? null);
  }
  async function start() {
    const file = saved?.text === text && mine ? `${name}.yaml` : await save();
    if (!file) return;
    try {
      const told = await ask("v1/start", { recipe: file });
      location.hash = `#runs/${encodeURIComponent(told.run ?? name)}`;
    } catch (error) {
      setRefused(error);
      setOver(false);
    }
  }
  return html`<div class="card finish"><div class="buttons"><button type="button" disabled=${checking.busy} onClick=${() => checking.begin("v1/check", { text })}>${t("check")}</button>
      <label for=${id}>${t("save_as")}</label><input id=${id} type="text" dir="auto" class="narrow" value=${name} onInput=${(event) => { setName(event.target.value); setRefused(null); setOver(false); }} /><span class="quiet">.yaml</span>
      <button type="button" onClick=${() => save()} disabled=${!name}>${t("save")}</button>
      <button type="button" class="main" onClick=${start} disabled=${!name || wrong}>${t("save_and_start")}</button>
      ${mine && saved.text === text ? html`<span class="good" role="status">${t("is_saved")}</span>` : null}</div>
    <${Problem} error=${refused} />${over ? html`<button type="button" class="small" onClick=${replace}>${t("replace", { name: `${name}.yaml` })}</button>` : null}
    <${Background} ...${checking} /></div>
    <${Made} job=${checking.job} title=${t("check")} />`;
}
