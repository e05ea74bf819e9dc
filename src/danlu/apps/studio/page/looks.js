// What is looked for in all records of data: a survey, splits, texts that are alike, labels that are probably wrong.
import { html, useState } from "./vendor/htm-preact.js";
import { Background, Labelled, Made, useBackground } from "./background.js";
import { Bars, useName } from "./parts.js";
import { number, t } from "./words.js";

/** Something that is looked for once it is asked for. */
function Look({ what, body, children, more = {}, fields }) {
  const looking = useBackground();
  return html`<div class="card"><p class="quiet">${t(`${what}_told`)}</p>${fields}
      <div class="buttons"><button type="button" class="main" disabled=${looking.busy} onClick=${() => looking.begin("v1/look", { what, ...body, ...more })}>${t(`${what}_do`)}</button></div>
      <${Background} ...${looking} /></div>
    ${looking.result ? children(looking.result, looking.job) : null}`;
}

export function Survey({ body }) {
  return html`<${Look} what="survey" body=${body}>${(found, job) => {
    const all = Object.values(found.languages).reduce((sum, count) => sum + count, 0);
    return html`<div class="card"><h3>${t("in_short")}</h3><ul>${found.lines.map((line) => html`<li dir="auto">${line}</li>`)}${found.bad.map((line) => html`<li dir="auto" class="bad">${line}</li>`)}</ul>
      ${all ? html`<h3>${t("languages")}</h3><${Bars} rows=${Object.entries(found.languages).map(([code, count]) => [named(code), count / all])} />` : null}</div>
      <${Made} job=${job} title=${t("survey")} />`;
  }}</${Look}>`;
}

function named(code) {
  if (code === "?") return t("language_unknown");
  try {
    return `${new Intl.DisplayNames([document.documentElement.lang], { type: "language" }).of(code)} (${code})`;
  } catch {
    return code;
  }
}

export function Splits({ body }) {
  return html`<${Look} what="splits" body=${body}>${({ splits }) => {
    const names = Object.keys(splits);
    const labels = [...new Set(names.flatMap((name) => Object.keys(splits[name].labels)))];
    const share = (name, label) => (splits[name].labels[label] ?? 0) / Math.max(1, splits[name].rows);
    return html`<div class="card wide"><table><thead><tr><th></th>${names.map((name) => html`<th class="count" dir="auto">${/^(train|validation|test)$/.test(name) ? t(`split_${name}`) : name}</th>`)}</tr></thead>
      <tbody><tr><th scope="row">${t("rows")}</th>${names.map((name) => html`<td class="count">${number(splits[name].rows)}</td>`)}</tr>
      ${labels.map((label) => html`<tr key=${label}><th scope="row" dir="auto">${label}</th>${names.map((name) => html`<td class="count">${number(splits[name].labels[label] ?? 0)} <span class="quiet">${number(share(name, label), "percent")}</span></td>`)}</tr>`)}</tbody></table>
      ${labels.length ? null : html`<p class="quiet">${t("no_labels")}</p>`}</div>`;
  }}</${Look}>`;
}

export function Duplicates({ body, onOpen }) {
  const [similarity, setSimilarity] = useState(0.8);
  const name = useName();
  const fields = html`<${Labelled} name=${name} label=${t("similarity", { value: number(similarity, "exact") })}><input id=${name} type="range" min="0.3" max="1" step="0.05" value=${similarity} onInput=${(event) => setSimilarity(+event.target.value)} /></${Labelled}>`;
  return html`<${Look} what="duplicates" body=${body} more=${{ similarity }} fields=${fields}>${(found) => html`<p>${t("duplicates_found", { groups: number(found.all), near: number(found.near), exact: number(found.exact), rows: number(found.rows) })}</p>
    ${found.groups.map((group, place) => html`<section class="card group" key=${place} aria-label=${t("group", { number: place + 1 })}>
      <h3>${t("group_of", { rows: number(group.rows) })}${group.labels > 1 ? html` <span class="bad">${t("labels_differ")}</span>` : null}</h3>
      <div class="alike">${group.members.map((each) => html`<div key=${`${each.split}${each.number}`}><p><button type="button" class="small" onClick=${() => onOpen(each.split, each.number)}>${each.split ? `${t(`split_${each.split}`)} ` : ""}№ ${number(each.number)}</button>
        ${each.truth ? html` <span class="tag" dir="auto">${each.truth}</span>` : null} ${each.exact ? null : html`<span class="quiet">${t("nearly")}</span>`}</p><p class="whole" dir="auto">${each.text}</p></div>`)}</div></section>`)}
    ${found.all > found.groups.length ? html`<p class="quiet">${t("groups_left", { count: number(found.all - found.groups.length) })}</p>` : null}`}</${Look}>`;
}

export function Suspects({ body, onOpen }) {
  return html`<${Look} what="suspects" body=${body}>${(found) => html`<div class="card"><p dir="auto">${found.told}</p>${found.warnings.map((each) => html`<p class="problem" dir="auto">${each}</p>`)}
    <div class="wide"><table class="records"><thead><tr><th class="count">№</th><th>${t("label_said")}</th><th>${t("likelier")}</th><th class="count">${t("sureness")}</th><th>${t("text_said")}</th></tr></thead>
    <tbody>${found.suspects.map((each) => html`<tr key=${each.row}><td class="count"><button type="button" class="small" onClick=${() => onOpen(null, each.row)}>${number(each.row)}</button></td>
      <td dir="auto">${each.label}</td><td dir="auto" class=${each.wrong ? "bad" : ""}>${each.suggested}</td><td class="count">${number(each.score, "exact")}</td><td dir="auto"><span class="cell">${each.text}</span></td></tr>`)}</tbody></table></div></div>`}</${Look}>`;
}
