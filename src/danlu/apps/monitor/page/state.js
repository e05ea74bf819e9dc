// Sources, what waits, and what was given up.
import { html } from "./vendor/htm-preact.js";
import { useAsked } from "./asked.js";
import { Heading, Problem } from "./parts.js";
import { number, t } from "./words.js";
import { moment } from "./moment.js";

export function State({ seen }) {
  const said = useAsked("v1/state", seen);
  const told = said.value;
  const numbers = told
    ? [["waiting_texts", told.waiting], ["messages_sent", told.messages.sent ?? 0], ["messages_waiting", told.messages.waiting ?? 0],
      ["messages_failed", told.messages.failed ?? 0], ["undated", (told.dates.none ?? 0) + (told.dates.odd ?? 0)], ["future", told.dates.future ?? 0]]
    : [];
  return html`<${Heading} told=${t("state_told")}>${t("state")}<//>
    <${Problem} error=${said.error} />
    ${told ? html`<dl class="numbers card">${numbers.map(([name, value]) => html`<div><dt>${t(name)}</dt><dd class=${name === "messages_failed" && value ? "bad" : ""}>${number(value)}</dd></div>`)}</dl>
      <p class="quiet">${t(told.judges.sentiment === "WordsOfSentiment" ? "judged_rule" : "judged_model")}</p>
      ${told.sources.length ? html`<div class="card wide"><table><thead><tr><th>${t("source")}</th><th class="figure">${t("texts")}</th><th>${t("last_read")}</th><th>${t("trouble")}</th></tr></thead>
        <tbody>${told.sources.map((source) => html`<tr key=${source.name}><td><bdi>${source.name}</bdi></td><td class="figure">${number(source.texts)}</td>
          <td>${source.succeeded === null ? t("never") : moment(source.succeeded)}</td><td class=${source.error ? "bad" : ""}>${source.error ?? ""}</td></tr>`)}</tbody></table></div>`
        : html`<p class="card">${t("no_sources")}</p>`}` : null}`;
}
