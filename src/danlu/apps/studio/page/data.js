// Data of the folders that are served: a list, and what can be looked at in each.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Labelled, bytes } from "./background.js";
import { Duplicates, Splits, Survey, Suspects } from "./looks.js";
import { Heading, Problem, useName } from "./parts.js";
import { Records } from "./records.js";
import { number, t } from "./words.js";

const LOOKS = { records: Records, survey: Survey, splits: Splits, duplicates: Duplicates, suspects: Suspects };

/** The data that there are; read anew whenever their view is opened. */
export function useData(seen) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    if (seen) ask("v1/data").then((told) => { setFound(told); setError(null); }, setError);
  }, [seen]);
  return { found, error };
}

export function Data({ seen, at }) {
  const { found, error } = useData(seen);
  const [place, setPlace] = useState([]);
  useEffect(() => { if (seen) setPlace(at); }, [seen, at.join("/")]);
  const [address, look = "records"] = place;
  const chosen = found?.data.find((each) => each.address === address);
  return html`<div class="top"><${Heading} told=${chosen ? null : t("data_told")}>${chosen ? chosen.name : t("data")}</${Heading}></div>
    <${Problem} error=${error} />
    ${!found && !error ? html`<p class="quiet" role="status">${t("loading_data")}</p>` : null}
    ${found && address && !chosen ? html`<p class="problem" role="alert">${t("no_data_there")}</p>` : null}
    <div class="chosen">${chosen ? html`<${One} key=${address} file=${chosen} look=${look in LOOKS ? look : "records"} />` : found ? html`<${List} ...${found} />` : null}</div>`;
}

/** The address of a view of data, behind the #. */
export const toData = (address, ...rest) => ["#data", ...[address, ...rest].map(encodeURIComponent)].join("/");

function List({ data, more }) {
  const [wanted, setWanted] = useState("");
  const name = useName();
  if (!data.length) return html`<p class="card">${t("no_data")}</p>`;
  const shown = data.filter((each) => each.name.toLowerCase().includes(wanted.toLowerCase()));
  return html`<div class="card">
    <${Labelled} name=${name} label=${t("filter")}><input id=${name} type="search" value=${wanted} onInput=${(event) => setWanted(event.target.value)} /></${Labelled}>
    <div class="wide"><table><thead><tr><th>${t("file")}</th><th>${t("kind")}</th><th class="count">${t("size")}</th></tr></thead>
    <tbody>${shown.map((each) => html`<tr key=${each.address}><td><a dir="auto" href=${toData(each.address)}>${each.name}</a></td>
      <td>${each.kind === "prepared" ? `${t("prepared")} · ${each.splits.join(", ")}` : each.kind}</td><td class="count">${bytes(each.size)}</td></tr>`)}</tbody></table></div>
    ${shown.length ? null : html`<p class="quiet">${t("none_of_these")}</p>`}
    ${more ? html`<p class="quiet">${t("more_data", { count: number(data.length) })}</p>` : null}</div>`;
}

function One({ file, look }) {
  const [asked, setAsked] = useState({ split: file.splits[0] ?? null, settings: "", column: "text", label: "label" });
  const [number_, setNumber] = useState(1);
  const View = LOOKS[look];
  const body = { ...asked, data: file.address, settings: asked.settings.split("\n").map((line) => line.trim()).filter(Boolean) };
  const put = (name) => (event) => setAsked({ ...asked, [name]: event.target.value });
  const names = [useName(), useName(), useName(), useName()];
  const open = (split, place) => {
    if (split) setAsked({ ...asked, split });
    setNumber(place);
    location.hash = toData(file.address, "records");
  };
  return html`<p><a href="#data">← ${t("all_data")}</a></p>
    <nav class="looks" aria-label=${t("looks")}>${Object.keys(LOOKS).map((each) => html`<a href=${toData(file.address, each)} aria-current=${each === look ? "page" : null}>${t(each)}</a>`)}
      <a href=${["#recipe", "data", file.address].map((each, place) => (place ? encodeURIComponent(each) : each)).join("/")}>${t("to_recipe")}</a></nav>
    <details class="card"><summary>${t("how_read")}</summary><div class="row">
      ${file.splits.length ? html`<${Labelled} name=${names[0]} label=${t("split")}><select id=${names[0]} value=${asked.split} onChange=${put("split")}>
        ${file.splits.map((each) => html`<option value=${each} selected=${each === asked.split}>${t(`split_${each}`)}</option>`)}</select></${Labelled}>` : null}
      <${Labelled} name=${names[1]} label=${t("column")}><input id=${names[1]} type="text" value=${asked.column} onChange=${put("column")} /></${Labelled}>
      <${Labelled} name=${names[2]} label=${t("label_column")}><input id=${names[2]} type="text" value=${asked.label} onChange=${put("label")} /></${Labelled}>
      ${file.splits.length ? null : html`<${Labelled} name=${names[3]} label=${t("format_settings")} hint=${t("format_settings_hint")}><textarea id=${names[3]} class="code" rows="2" spellcheck=${false} onChange=${put("settings")}>${asked.settings}</textarea></${Labelled}>`}
    </div></details>
    <${View} key=${look + JSON.stringify(body)} body=${body} first=${number_} onOpen=${open} />`;
}
