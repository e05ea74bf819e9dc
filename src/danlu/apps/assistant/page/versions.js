// Versions, what each reached beside the one before on the same questions, and a way back.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Heading, Problem } from "./parts.js";
import { language, number, t } from "./words.js";

const MEASURES = ["hit", "answered", "precision", "refused"];

export function Versions({ loaded, seen }) {
  const [state, setState] = useState(loaded);
  const [error, setError] = useState(null);

  async function look(first) {
    try {
      if (first) await first();
      setState(await ask("v1/state"));
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }
  useEffect(() => {
    if (seen) look();
  }, [seen]);

  const share = (value) => (value === null || value === undefined ? "–" : number(value, "percent"));
  const when = new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" });
  return html`<${Heading} told=${t("versions_told")}>${t("versions")}</${Heading}><${Problem} error=${error} />
    ${state.versions.length === 0 ? html`<p class="quiet">${t("no_versions")}</p>` : html`<div class="wide"><table>
      <thead><tr><th scope="col">${t("version")}</th><th scope="col">${t("made")}</th><th scope="col">${t("judged")}</th>
        ${MEASURES.map((name) => html`<th scope="col">${t(`measure_${name}`)}</th>`)}<th></th></tr></thead>
      <tbody>${[...state.versions].reverse().map((each) => html`<tr key=${each.number}><th scope="row">${each.number}${each.tuned ? ` · ${t("tuned")}` : ""}</th>
        <td>${when.format(each.time * 1000)}</td><td>${number(each.told.judged)}</td>
        ${MEASURES.map((name) => html`<td>${share(each.told.before[name])} → ${share(each.told.after[name])}</td>`)}
        <td>${each.number === state.serves ? html`<strong>${t("serves")}</strong>` : html`${each.told.served ? null : html`<span class="quiet">${t("did_not_serve")} </span>`}
          <button type="button" class="small" onClick=${() => look(() => ask("v1/back", { number: each.number }))}>${t("go_back")}</button>`}</td></tr>`)}</tbody>
    </table></div>`}`;
}
