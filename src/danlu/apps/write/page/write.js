// The form of a wish, and the drafts that come of it.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Bars, Copy, Heading, Plain, Problem, submitKeys, useName } from "./parts.js";
import { useAsked } from "./predict.js";
import { number, t } from "./words.js";

const EMPTY = { keywords: "", words: "", outline: "", style: "", tone: "", at_least: "", at_most: "", language: "", drafts: "4", temperature: "0.8", seed: "0" };
const REASONS = ["likelihood", "tone", "fresh", "whole", "apart"];

const parts = (text) => text.split(/[,，、;；\n]/).map((part) => part.trim()).filter(Boolean);

/** What a form says to the server; what is left empty is not said. */
export function bodyOf(form) {
  const body = { keywords: parts(form.keywords), words: parts(form.words), outline: form.outline.split("\n").map((line) => line.trim()).filter(Boolean) };
  for (const name of ["style", "tone", "language"]) if (form[name].trim()) body[name] = form[name].trim();
  for (const name of ["at_least", "at_most", "drafts", "temperature", "seed"]) if (form[name] !== "") body[name] = Number(form[name]);
  return body;
}

/** What stands between words of a language. */
const joint = (texts) => (/[\u3000-\u9fff]/.test(texts.join("")) ? "、" : ", ");

/** A form that says what a sample says. */
function formOf(sample) {
  const texts = Object.fromEntries(Object.entries(sample).map(([name, value]) => [name, Array.isArray(value) ? value.join(name === "outline" ? "\n" : joint(value)) : String(value)]));
  return { ...EMPTY, ...texts };
}

/** A sample in a few words. */
const named = (sample) => ((texts) => texts.join(joint(texts)))([...new Set([...(sample.keywords ?? []), ...(sample.words ?? [])])]);

export function Write({ loaded }) {
  const [form, setForm] = useState(EMPTY);
  const asked = useAsked(async (signal, body) => {
    const begun = performance.now();
    return { body, answer: await ask("v1/write", body, signal), milliseconds: performance.now() - begun };
  });
  const put = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  return html`<${Heading} told=${t("write_told")}>${t("write")}</${Heading}>
    <div class="sides"><form class="card" onSubmit=${(event) => { event.preventDefault(); asked.ask(bodyOf(form)); }}>
      <p class="samples"><span class="quiet">${t("examples")}</span>
        ${loaded.samples.map((sample) => html`<button type="button" class="chip" onClick=${() => { asked.clear(); setForm(formOf(sample)); }}>${named(sample)}</button>`)}</p>
      <${Field} name="keywords" hint="keywords_hint" value=${form.keywords} put=${put("keywords")} />
      <${Field} name="words" label="must" hint="must_hint" value=${form.words} put=${put("words")} />
      <${Field} name="outline" hint="outline_hint" rows="3" value=${form.outline} put=${put("outline")} />
      <div class="row"><${Field} name="style" value=${form.style} put=${put("style")} /><${Tone} tones=${loaded.tones} value=${form.tone} put=${put("tone")} /></div>
      <div class="row"><${Field} name="at_least" type="number" min="0" value=${form.at_least} put=${put("at_least")} />
        <${Field} name="at_most" type="number" min="1" hint="length_hint" value=${form.at_most} put=${put("at_most")} /></div>
      <details class="settings"><summary>${t("more")}</summary><div class="row">
        <${Field} name="drafts" type="number" min="1" max="16" value=${form.drafts} put=${put("drafts")} />
        <${Field} name="temperature" type="number" min="0" max="2" step="any" hint="temperature_hint" value=${form.temperature} put=${put("temperature")} />
        <${Field} name="seed" type="number" min="0" hint="seed_hint" value=${form.seed} put=${put("seed")} />
        <${Choice} name="language" label="text_language" value=${form.language} put=${put("language")} options=${[["", t("as_asked")], ["zh", "中文"], ["en", "English"]]} />
      </div></details>
      <div class="buttons"><button type="submit" class="main" disabled=${asked.busy}>${t("do_write")}</button>
        ${asked.busy ? html`<button type="button" onClick=${asked.stop}>${t("stop")}</button>` : null}
        <span class="quiet keys">${t("keys_send")}</span></div>
    </form>
    <section class="card result" aria-label=${t("found")} aria-live="polite" aria-busy=${asked.busy}><${Drafts} ...${asked} /></section></div>`;
}

function Field({ name, label = name, hint, value, put, type = "text", rows, ...more }) {
  const id = useName();
  const told = hint ? { "aria-describedby": `${id}-hint` } : {};
  const field = rows
    ? html`<textarea id=${id} rows=${rows} dir="auto" value=${value} onInput=${put} onKeyDown=${submitKeys} ...${told}></textarea>`
    : type === "text"
      ? html`<textarea id=${id} rows="1" dir="auto" value=${value} onInput=${put} onKeyDown=${submitKeys} ...${told}></textarea>`
      : html`<input id=${id} type=${type} value=${value} onInput=${put} ...${more} ...${told} />`;
  return html`<div class="field"><label for=${id}>${t(label)}</label>${field}${hint ? html`<p class="hint" id=${`${id}-hint`}>${t(hint)}</p>` : null}</div>`;
}

function Choice({ name, label = name, value, put, options }) {
  const id = useName();
  return html`<div class="field"><label for=${id}>${t(label)}</label><select id=${id} value=${value} onChange=${put}>
    ${options.map(([key, said]) => html`<option key=${key} value=${key} selected=${key === value}>${said}</option>`)}</select></div>`;
}

const KNOWN_TONES = ["lively", "sober"];

/** A tone that is judged is chosen; where none is, it is said in words. */
function Tone({ tones, value, put }) {
  if (!tones.length) return html`<${Field} name="tone" value=${value} put=${put} />`;
  const said = (tone) => (KNOWN_TONES.includes(tone) ? t(`tone_${tone}`) : tone);
  return html`<${Choice} name="tone" value=${value} put=${put} options=${[["", t("tone_any")], ...tones.map((tone) => [tone, said(tone)])]} />`;
}

function Drafts({ busy, error, result }) {
  if (busy) return html`<p class="quiet">${t("drafting")}</p>`;
  if (error) return html`<${Problem} error=${error} />`;
  if (!result) return html`<p class="quiet">${t("no_drafts")}</p>`;
  const { answer, body, milliseconds } = result;
  const few = answer.drafts.length < (body.drafts ?? 4) && answer.usage.drafts > 1;
  return html`${answer.drafts.map((draft, place) => html`<${Draft} key=${`${place}-${draft.text}`} draft=${draft} place=${place + 1} unit=${answer.unit} />`)}
    ${few ? html`<p class="quiet">${t("only", { found: answer.drafts.length, written: answer.usage.drafts })}</p>` : null}
    <details class="settings"><summary>${t("brief")}</summary><pre tabindex="0">${answer.brief}</pre></details>
    <p class="quiet facts">${t("took", { milliseconds: number(milliseconds), tokens: number(answer.usage.written) })}</p>
    <${Plain} request=${{ path: "POST /v1/write", body }} answer=${answer} />`;
}

function Draft({ draft, place, unit }) {
  const rows = REASONS.filter((name) => name in draft.reasons).map((name) => [t(name === "tone" ? "tone_right" : name), draft.reasons[name], number(draft.reasons[name], "percent")]);
  const length = t("length_is", { length: number(draft.length), unit: t(unit === "words" ? "words_unit" : unit) });
  const facts = [t("score_is", { score: number(draft.score, "percent") }), length, t("perplexity_is", { value: number(draft.perplexity) })];
  if (draft.off) facts.push(t("length_off", { off: number(draft.off) }));
  return html`<article class="answer"><h3>${t("draft", { number: place })}</h3>
    <p class="written" dir="auto">${draft.text}</p>
    <p class="chips">${Object.entries(draft.words).map(([word, there]) => html`<span class=${`chip ${there ? "there" : "missing"}`} dir="auto">${there ? "✓ " : "✗ "}${t(there ? "there" : "missing", { word })}</span> `)}</p>
    <p class="quiet facts">${facts.join(" · ")} <${Copy} value=${draft.text} /></p>
    <details open=${place === 1}><summary>${t("reasons")}</summary><${Bars} rows=${rows} /></details></article>`;
}
