// The documents, what became of the folder, and how answers come about.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Heading, Problem } from "./parts.js";
import { language, number, t } from "./words.js";

export function Documents({ loaded }) {
  const [told, setTold] = useState(loaded);
  const [done, setDone] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);

  async function refresh() {
    setBusy(true);
    try {
      setDone(await ask("v1/refresh", {}));
      setTold(await ask("v1/documents"));
      setError(null);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }

  const models = Object.entries(told.models);
  const percent = (rate) => number(rate.value, "percent");
  const at = told.refreshed_at ? new Date(told.refreshed_at * 1000).toLocaleString(language()) : t("never");
  return html`<${Heading} told=${t("documents_told", { folder: told.folder })}>${t("documents")}</${Heading}>
    <dl class="numbers card"><div><dt>${t("count")}</dt><dd>${number(told.count)}</dd></div>
      <div><dt>${t("looked_at")}</dt><dd>${at}</dd></div></dl>
    <div class="buttons"><button type="button" class="main" disabled=${busy} onClick=${refresh}>${t("refresh")}</button>
      <span role="status">${done ? t("refreshed", { added: number(done.added), changed: number(done.changed), removed: number(done.removed) }) : ""}</span></div>
    <${Problem} error=${error} />
    ${told.unread.length ? html`<section class="card"><h3>${t("unread", { count: number(told.unread.length) })}</h3>
      <ul>${told.unread.map(({ file, reason }) => html`<li dir="auto"><code>${file}</code> ${reason}</li>`)}</ul></section>` : null}
    <section class="card"><h3>${t("how_answers")}</h3>
      ${models.length ? html`<p>${t("by_models")}</p><ul>${models.map(([name, folder]) => html`<li>${name}: <code>${folder}</code></li>`)}</ul>` : html`<p>${t("by_words")}</p>`}
      <p>${told.threshold ? t("rates", { answered: percent(told.threshold.answered), refused: percent(told.threshold.refused) }) : t("no_rates")}</p>
      ${told.notes.map((note) => html`<p class="problem" dir="auto">${note}</p>`)}</section>
    <section class="card"><ul class="names">${told.documents.map((name) => html`<li dir="auto">${name}</li>`)}</ul>
      ${told.count > told.documents.length ? html`<p class="quiet">${t("and_others", { count: number(told.count - told.documents.length) })}</p>` : null}</section>`;
}
