// Records of a file, a page at a time, and those among them that hold a text.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Background, Labelled, useBackground } from "./background.js";
import { Problem, useName } from "./parts.js";
import { number, t } from "./words.js";

const COUNT = 50; // records of a page
const COLUMNS = 10; // of a table; all others are told of one record

export function Records({ body, first }) {
  const reading = useBackground();
  useEffect(() => { reading.begin("v1/look", { what: "read", data: body.data, split: body.split, settings: body.settings }); }, []);
  const done = reading.job?.state === "done" && reading.result;
  return html`<${Background} ...${reading} />
    ${done ? html`<${Told} result=${reading.result} /><${Pages} look=${reading.job.id} facts=${reading.result} first=${first} />` : null}`;
}

/** What could not be read, beside what could. */
function Told({ result }) {
  if (!result.told.length) return null;
  return html`<div class="problem" role="status"><ul>${result.told.slice(0, 8).map((each) => html`<li dir="auto">${each}</li>`)}</ul></div>`;
}

function Pages({ look, facts, first: begin }) {
  const [first, setFirst] = useState(begin);
  const [wanted, setWanted] = useState({ text: "", column: "" });
  const [sought, setSought] = useState("");
  const [page, setPage] = useState(null);
  const [error, setError] = useState(null);
  const [open, setOpen] = useState(begin > 1 ? begin : null);
  const asking = useRef(0);
  const names = [useName(), useName(), useName()];

  async function show(from, { text, column }) {
    const mine = (asking.current += 1);
    setFirst(from);
    setSought(text);
    try {
      if (!text) {
        const told = await ask(`v1/records?look=${look}&first=${from}&count=${COUNT}`);
        return mine === asking.current && setPage({ records: told.records, next: null, over: true });
      }
      setPage({ records: [], next: from, over: false });
      let next = from;
      const records = [];
      while (next !== null && records.length < COUNT && mine === asking.current) {
        const query = new URLSearchParams({ look, first: next, count: COUNT - records.length, text, column });
        const told = await ask(`v1/found?${query}`);
        records.push(...told.records);
        next = told.next;
        if (mine === asking.current) setPage({ records: [...records], next, over: next === null || records.length >= COUNT });
      }
    } catch (problem) {
      setError(problem);
    }
  }
  useEffect(() => { show(begin, wanted); }, []);
  const seek = (event) => { event.preventDefault(); show(1, wanted); };
  const columns = Object.keys(facts.columns).slice(0, COLUMNS);
  const last = Math.max(1, facts.rows - ((facts.rows - 1) % COUNT));
  return html`<form class="card seek" role="search" onSubmit=${seek}><div class="row">
      <${Labelled} name=${names[0]} label=${t("seek_text")}><input id=${names[0]} type="search" dir="auto" value=${wanted.text} onInput=${(event) => setWanted({ ...wanted, text: event.target.value })} /></${Labelled}>
      <${Labelled} name=${names[1]} label=${t("in_column")}><select id=${names[1]} value=${wanted.column} onChange=${(event) => setWanted({ ...wanted, column: event.target.value })}>
        <option value="">${t("any_column")}</option>${Object.keys(facts.columns).map((each) => html`<option value=${each}>${each}</option>`)}</select></${Labelled}>
      <div class="buttons"><button type="submit" class="main">${t("seek")}</button></div></div></form>
    <${Problem} error=${error} />
    ${page ? html`<div class="pager">
      ${sought
        ? html`<span role="status">${page.over ? (page.next ? t("found_until", { count: number(page.records.length), until: number(page.next - 1), rows: number(facts.rows) }) : t("found_all", { count: number(page.records.length) })) : t("seeking", { until: number((page.next ?? 1) - 1), rows: number(facts.rows) })}</span>
          ${page.next && page.over ? html`<button type="button" onClick=${() => show(page.next, wanted)}>${t("seek_on")}</button>` : null}`
        : html`<button type="button" class="small" disabled=${first <= 1} onClick=${() => show(1, wanted)}>${t("first_page")}</button>
          <button type="button" class="small" disabled=${first <= 1} onClick=${() => show(Math.max(1, first - COUNT), wanted)}>${t("previous")}</button>
          <span>${t("records_of", { first: number(page.records[0]?.number ?? 0), last: number(page.records.at(-1)?.number ?? 0), rows: number(facts.rows) })}</span>
          <button type="button" class="small" disabled=${first + COUNT > facts.rows} onClick=${() => show(first + COUNT, wanted)}>${t("next")}</button>
          <button type="button" class="small" disabled=${first + COUNT > facts.rows} onClick=${() => show(last, wanted)}>${t("last_page")}</button>
          <label for=${names[2]}>${t("go_to")}</label><input id=${names[2]} type="number" min="1" max=${facts.rows} value=${first} onChange=${(event) => show(Math.min(facts.rows, Math.max(1, Math.floor(+event.target.value) || 1)), wanted)} />`}
    </div>
    ${open ? html`<${One} key=${open} look=${look} number_=${open} onClose=${() => setOpen(null)} />` : null}
    <div class="wide card"><table class="records"><thead><tr><th class="count">№</th>${columns.map((each) => html`<th dir="auto">${each}</th>`)}</tr></thead>
      <tbody>${page.records.map((each) => html`<tr key=${each.number}><td class="count"><button type="button" class="small" aria-label=${t("look_at", { number: each.number })} onClick=${() => setOpen(each.number)}>${number(each.number)}</button></td>
        ${columns.map((column) => html`<td dir="auto"><${Cell} value=${each.cells[column]} long=${each.long?.[column]} /></td>`)}</tr>`)}</tbody></table></div>` : html`<p class="quiet" role="status">${t("loading_data")}</p>`}`;
}

function Cell({ value, long, whole }) {
  if (value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return html`<span class=${whole ? "whole" : "cell"}>${text}</span>${long ? html` <span class="quiet">${t("characters", { count: number(long) })}</span>` : null}`;
}

function One({ look, number_, onClose }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => { ask(`v1/record?look=${look}&number=${number_}`).then(setFound, setError); }, []);
  return html`<section class="card one" aria-label=${t("record", { number: number_ })}><h3>${t("record", { number: number(number_) })}
      <button type="button" class="small" onClick=${onClose}>${t("close")}</button></h3><${Problem} error=${error} />
    <dl>${Object.entries(found?.cells ?? {}).map(([name, value]) => html`<dt dir="auto">${name}</dt><dd dir="auto"><${Cell} value=${value} long=${found.long?.[name]} whole /></dd>`)}</dl>
    ${found?.left_out ? html`<p class="quiet">${t("columns_left_out", { count: number(found.left_out) })}</p>` : null}</section>`;
}
