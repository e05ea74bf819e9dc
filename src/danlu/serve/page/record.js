// A form for the record that a model reads: a field for each column, or all of it as JSON.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { submitKeys, useName } from "./parts.js";
import { t } from "./words.js";

/** The columns that have a field: what the model must have, and what its samples have beside that. */
export function columnsOf(models) {
  return [...new Set(models.flatMap((model) => [...model.reads, ...model.optional]))];
}

/** Several texts at once, a line each, are what models of vectors are asked for. */
export const ofTexts = (models) => models.every((model) => model.answers === "vector");

export function RecordForm({ models, busy, onAsk, onStop }) {
  const columns = columnsOf(models);
  const several = ofTexts(models);
  const [values, setValues] = useState({});
  const [json, setJson] = useState(null);
  const [wrong, setWrong] = useState(null);
  useEffect(() => setWrong(null), [models.map((model) => model.id).join()]);

  function take(sample) {
    setWrong(null);
    if (several) return setValues({ text: models[0].samples.flatMap((each) => [each.text, each.text_pair]).filter(Boolean).join("\n") });
    const fits = models[0].reads.every((column) => column in sample);
    setJson(fits && json === null ? null : JSON.stringify(sample, null, 2));
    if (fits) setValues(Object.fromEntries(columns.map((column) => [column, spelled(sample[column], kindOf(models, column))])));
  }

  function submit(event) {
    event.preventDefault();
    setWrong(null);
    try {
      onAsk(json === null ? recordsOf(models, columns, values, several) : listed(JSON.parse(json)));
    } catch (error) {
      setWrong(error instanceof SyntaxError ? `${t("not_json")} ${error.message}` : error.message);
    }
  }

  return html`<form onSubmit=${submit} onKeyDown=${submitKeys}>
    <${Samples} models=${models} several=${several} take=${take} />
    ${json !== null
      ? html`<${Field} column="JSON" kind="json" required rows="9" value=${json} onInput=${setJson} />`
      : columns.map((column) => html`<${Field} key=${column} column=${column} several=${several} kind=${kindOf(models, column)}
          required=${models.some((model) => model.reads.includes(column))} value=${values[column] ?? ""}
          onInput=${(value) => setValues({ ...values, [column]: value })} />`)}
    ${wrong ? html`<p class="problem" role="alert">${wrong}</p>` : null}
    <div class="buttons">
      <button type="submit" class="main" disabled=${busy}>${t("predict_do")}</button>
      ${busy ? html`<button type="button" onClick=${onStop}>${t("stop")}</button>` : null}
      <button type="button" class="small" aria-pressed=${json !== null}
        onClick=${() => setJson(json === null ? JSON.stringify(drafted(models, columns, values), null, 2) : null)}>${t("write_json")}</button>
      <span class="quiet keys">${t("keys_send")}</span>
    </div>
  </form>`;
}

function Samples({ models, several, take }) {
  const samples = models[0].samples;
  if (!samples.length) return null;
  return html`<div class="samples" role="group" aria-label=${t("samples")}>
    <span class="quiet">${t("samples")}</span>
    ${several
      ? html`<button type="button" class="chip" onClick=${() => take()}>${t("sample_texts")}</button>`
      : samples.map((sample) => html`<button type="button" class="chip" dir="auto" onClick=${() => take(sample)}>${short(sample, models[0])}</button>`)}
  </div>`;
}

function Field({ column, kind, several, required, value, onInput, rows }) {
  const name = useName();
  const hint = several ? t("hint_texts") : { lines: t("hint_lines"), json: t("hint_json") }[kind];
  const tall = rows ?? (several ? 7 : kind === "json" ? 1 : kind === "lines" ? 4 : column === "question" || column === "text_pair" ? 2 : 3);
  return html`<div class="field"><label for=${name}><code>${column}</code>${required ? null : html` <span class="quiet">${t("optional")}</span>`}</label>
    <textarea id=${name} rows=${tall} dir="auto" value=${value} class=${kind === "json" ? "code" : ""} spellcheck=${false}
      required=${required} aria-describedby=${hint ? `${name}-hint` : null} onInput=${(event) => onInput(event.target.value)}></textarea>
    ${hint ? html`<p class="hint" id=${`${name}-hint`}>${hint}</p>` : null}</div>`;
}

/** How a column is typed in, by what it holds in the samples. */
function kindOf(models, column) {
  const found = models.flatMap((model) => model.samples).find((sample) => column in sample)?.[column];
  if (found === undefined || typeof found === "string") return "text";
  return Array.isArray(found) && found.every((each) => typeof each === "string") ? "lines" : "json";
}

function spelled(value, kind) {
  if (value === undefined) return "";
  return kind === "text" ? value : kind === "lines" ? value.join("\n") : JSON.stringify(value);
}

function read(value, kind, column) {
  if (kind === "text") return value;
  if (kind === "lines") return linesOf(value);
  try {
    return JSON.parse(value);
  } catch (error) {
    throw new SyntaxError(`${column}: ${error.message}`);
  }
}

const linesOf = (value) => value.split("\n").map((line) => line.trim()).filter(Boolean);
const listed = (value) => (Array.isArray(value) ? value : [value]);

function recordsOf(models, columns, values, several) {
  if (several) return linesOf(values.text ?? "").map((text) => ({ text }));
  const given = columns.filter((column) => (values[column] ?? "") !== "");
  return [Object.fromEntries(given.map((column) => [column, read(values[column], kindOf(models, column), column)]))];
}

/** What stands in the fields so far, even if it is not right yet. */
function drafted(models, columns, values) {
  try {
    const records = recordsOf(models, columns, values, ofTexts(models));
    return records.length === 1 ? records[0] : records;
  } catch {
    return values;
  }
}

function short(sample, model) {
  const first = [...model.reads, ...Object.keys(sample)].map((column) => sample[column]).find((value) => value !== undefined);
  const plain = typeof first === "string" ? first : Array.isArray(first) ? first.map((each) => each?.content ?? each).join(" ") : JSON.stringify(first);
  const letters = Array.from(plain);
  return letters.length > 28 ? `${letters.slice(0, 27).join("")}…` : plain;
}
