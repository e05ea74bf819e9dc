// A place in some code, and what a model writes there.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Copy, Heading, Plain, Problem, submitKeys, useName } from "./parts.js";
import { useAsked } from "./predict.js";
import { number, t } from "./words.js";

/** What a form says to the server. */
function bodyOf({ before, behind, path, most, line }) {
  const body = { prompt: before, max_tokens: Number(most) || 64, temperature: 0 };
  if (behind.trim()) body.suffix = behind;
  if (path.trim()) body.path = path.trim();
  if (line) body.stop = ["\n"];
  return body;
}

export function Fill({ loaded }) {
  const sample = loaded.samples[0];
  const [form, setForm] = useState({ before: sample.prompt, behind: loaded.fills ? sample.suffix : "", path: "", most: "64", line: false });
  const asked = useAsked(async (signal, body) => {
    const begun = performance.now();
    return { body, answer: await ask("v1/completions", body, signal), milliseconds: performance.now() - begun };
  });
  const put = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  return html`<${Heading} told=${t("fill_told")}>${t("fill")}</${Heading}>
    <div class="sides"><form class="card" onSubmit=${(event) => { event.preventDefault(); asked.ask(bodyOf(form)); }}>
      <${Code} name="before" rows="9" value=${form.before} put=${put("before")} />
      ${loaded.fills ? html`<${Code} name="behind" rows="6" hint="behind_hint" value=${form.behind} put=${put("behind")} />` : html`<p class="quiet">${t("no_gaps")}</p>`}
      <div class="row"><${Code} name="path" rows="1" value=${form.path} put=${put("path")} />
        <${Most} value=${form.most} put=${put("most")} /></div>
      <p><label><input type="checkbox" checked=${form.line} onChange=${(event) => setForm({ ...form, line: event.target.checked })} /> ${t("one_line")}</label></p>
      <div class="buttons"><button type="submit" class="main" disabled=${asked.busy}>${t("do_fill")}</button>
        ${asked.busy ? html`<button type="button" onClick=${asked.stop}>${t("stop")}</button>` : null}
        <span class="quiet keys">${t("keys_send")}</span></div>
    </form>
    <section class="card result" aria-label=${t("answer")} aria-live="polite" aria-busy=${asked.busy}><${Filled} ...${asked} /></section></div>
    <${Editor} loaded=${loaded} />`;
}

function Code({ name, rows, hint, value, put }) {
  const id = useName();
  return html`<div class="field"><label for=${id}>${t(name)}</label>
    <textarea id=${id} class="code" rows=${rows} spellcheck=${false} dir="ltr" value=${value} onInput=${put} onKeyDown=${submitKeys}></textarea>
    ${hint ? html`<p class="hint">${t(hint)}</p>` : null}</div>`;
}

function Most({ value, put }) {
  const id = useName();
  return html`<div class="field"><label for=${id}>${t("most_tokens")}</label><input id=${id} type="number" min="1" max="2048" value=${value} onInput=${put} /></div>`;
}

function Filled({ busy, error, result }) {
  if (busy) return html`<p class="quiet">${t("working")}</p>`;
  if (error) return html`<${Problem} error=${error} />`;
  if (!result) return html`<p class="quiet">${t("nothing_yet")}</p>`;
  const { answer, body, milliseconds } = result;
  const { text } = answer.choices[0];
  return html`<h3>${t("whole")}</h3>
    ${text ? null : html`<p class="quiet">${t("nothing_written")}</p>`}
    <pre class="written code" dir="ltr" tabindex="0">${body.prompt}<ins>${text}</ins>${body.suffix ?? ""}</pre>
    <p class="quiet facts"><${Copy} value=${text} /> ${t("took", { milliseconds: number(milliseconds), tokens: number(answer.usage.completion_tokens) })}</p>
    <${Plain} request=${{ path: "POST /v1/completions", body }} answer=${answer} />`;
}

function Editor({ loaded }) {
  const address = new URL("v1/completions", location.href.split("#")[0]).href;
  return html`<section class="card" aria-label=${t("editor")}><h3>${t("editor")}</h3><p>${t("editor_told")}</p>
    <p><code>${address}</code> <${Copy} value=${address} /></p>
    <p class="quiet">${t("limits", { tokens: number(loaded.max_length) })} ${loaded.repository ? t("repository_read") : ""}</p></section>`;
}
