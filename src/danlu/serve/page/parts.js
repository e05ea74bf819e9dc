// Small parts that all views share. Texts of users and models are children of elements, never markup.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { number, t } from "./words.js";

/** A number that names an element for its label. */
let names = 0;
export function useName() {
  const name = useRef(null);
  name.current ??= `part-${(names += 1)}`;
  return name.current;
}

/** What went wrong, in the sentence of the server. */
export function Problem({ error }) {
  if (!error) return null;
  const told = error.status === 0 ? t("not_reached") : error.message;
  return html`<p class="problem" role="alert"><strong>${t("problem")}</strong> ${told}
    ${error.code && error.status !== 0 ? html` <code>${error.code}</code>` : null}</p>`;
}

/** Names with bars: `[name, share of the bar, told]` each; what is not told is told as a percentage. */
export function Bars({ rows, chosen = [] }) {
  return html`<ol class="bars">
    ${rows.map(([name, value, told]) => html`<li class=${chosen.includes(name) ? "chosen" : ""}>
      <span class="name" dir="auto">${name}${chosen.includes(name) ? html`<span class="unseen"> (${t("chosen")})</span>` : null}</span>
      <span class="track" aria-hidden="true"><span style=${{ width: `${Math.max(0, Math.min(1, value)) * 100}%` }}></span></span>
      <span class="value">${told ?? number(value, "percent")}</span>
    </li>`)}
  </ol>`;
}

export function ModelChoice({ models, value, onChange, label }) {
  const name = useName();
  return html`<div class="field"><label for=${name}>${label ?? t("model")}</label>
    <select id=${name} value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${models.map((model) => html`<option key=${model.id} value=${model.id} selected=${model.id === value}>${model.id} (${model.task})</option>`)}
    </select></div>`;
}

export function Copy({ value, label }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    const timer = done && setTimeout(() => setDone(false), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  return html`<button type="button" class="small" onClick=${async () => setDone(await copied(value))}>
    ${label ?? t("copy")}<span role="status" class=${done ? "" : "unseen"}>${done ? ` ✓ ${t("copied")}` : ""}</span></button>`;
}

async function copied(value) {
  try {
    await navigator.clipboard.writeText(value);
    return true;
  } catch {
    const area = document.createElement("textarea"); // without https there is no clipboard
    area.value = value;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** What was sent and what came back, for those who will write a program. */
export function Plain({ request, answer }) {
  return html`<details class="plain"><summary>${t("as_json")}</summary>
    ${request ? html`<h4>${t("request")} <code>${request.path}</code></h4><pre tabindex="0">${JSON.stringify(request.body, null, 2)}</pre>
      <${Copy} value=${JSON.stringify(request.body)} />` : null}
    <h4>${t("answer")}</h4><pre tabindex="0">${shortened(answer)}</pre></details>`;
}

/** JSON in which long lists of numbers take one line. Nothing can be read in two ways, which would take for ever where a list has no end. */
export function shortened(value) {
  return JSON.stringify(value, null, 2).replace(/\[\s*[\d.e+-]+(?:,\s*[\d.e+-]+)*\s*\]/g, (list) => list.replace(/\s+/g, " "));
}

/** A heading that takes the focus when its view is opened by a link. */
export function Heading({ children, told }) {
  return html`<h2 tabindex="-1">${children}</h2>${told ? html`<p class="quiet">${told}</p>` : null}`;
}

/** Submit a form by Ctrl+Enter from a field of several lines. */
export function submitKeys(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    event.preventDefault();
    event.target.form?.requestSubmit();
  }
}
