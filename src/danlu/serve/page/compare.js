// Two bundles or adapters side by side, asked the same.
import { html, useState } from "./vendor/htm-preact.js";
import { predict } from "./api.js";
import { Ask, Log, messagesOf } from "./chat.js";
import { Heading, ModelChoice, Problem, useName } from "./parts.js";
import { Result, useAsked } from "./predict.js";
import { columnsOf, ofTexts, RecordForm } from "./record.js";
import { asSettings, NO_SETTINGS, Settings, useWritten } from "./writing.js";
import { t } from "./words.js";

export function Compare({ models }) {
  const [ids, setIds] = useState([models[0].id, (models[1] ?? models[0]).id]);
  const [way, setWay] = useState("predict");
  const two = ids.map((id) => models.find((model) => model.id === id) ?? models[0]);
  const write = two.every((model) => model.writes);
  const View = way === "write" && write ? Writing : Predictions;
  const put = (place) => (id) => setIds(ids.map((old, other) => (other === place ? id : old)));
  return html`<${Heading} told=${t("compare_told")}>${t("compare")}</${Heading}>
    <div class="card">
      <div class="row"><${ModelChoice} models=${models} value=${two[0].id} onChange=${put(0)} label=${t("left")} />
        <${ModelChoice} models=${models} value=${two[1].id} onChange=${put(1)} label=${t("right")} /></div>
      ${write ? html`<${Ways} value=${way} onChange=${setWay} />` : null}
    </div>
    <${View} key=${ids.join("\n")} two=${two} />`;
}

function Ways({ value, onChange }) {
  const name = useName();
  return html`<fieldset class="ways"><legend>${t("compare_by")}</legend>${["predict", "write"].map((way) => html`
    <label><input type="radio" name=${name} value=${way} checked=${value === way} onChange=${() => onChange(way)} /> ${t(way === "predict" ? "predict" : "chat")}</label>`)}</fieldset>`;
}

function Sides({ two, children }) {
  return html`<div class="sides">${two.map((model, place) => html`<section class="card result" key=${place} aria-label=${`${t(place ? "right" : "left")}: ${model.id}`}
    aria-live="polite"><h3>${model.id}</h3>${children[place]}</section>`)}</div>`;
}

function Predictions({ two }) {
  const sides = [useOne(two[0], two[1]), useOne(two[1], two[0])];
  const apart = columnsOf(two).some((column) => !two.every((model) => columnsOf([model]).includes(column)));
  const busy = sides.some((side) => side.busy);
  return html`<div class="card">
      ${apart ? html`<p class="quiet">${t("other_answers")}</p>` : null}
      <${RecordForm} models=${two} busy=${busy} onAsk=${(records) => sides.forEach((side) => side.ask(records))} onStop=${() => sides.forEach((side) => side.stop())} /></div>
    <${Same} results=${sides.map((side) => side.result)} />
    <${Sides} two=${two}>${sides.map((side) => html`<${Result} ...${side} />`)}</${Sides}>`;
}

/** Columns that only the other one reads are left out of what a model is asked. */
function useOne(model, other) {
  const left = columnsOf([other]).filter((column) => !columnsOf([model]).includes(column));
  return useAsked((signal, records) => {
    const mine = (record) => Object.fromEntries(Object.entries(record).filter(([column]) => !left.includes(column)));
    return predict(model, records.map(mine), signal);
  });
}

/** What of an answer is the same or is not; numbers beside it are nearly always others. */
const SAID = {
  label: (each) => each.label,
  labels: (each) => [...each.labels].sort(),
  spans: (each) => each.entities.map(({ start, end, label }) => [start, end, label]),
  choice: (each) => each.choice,
  text: (each) => each.text,
  excerpt: (each) => [each.start, each.end],
  ranking: (each) => each.ranking,
  preference: (each) => each.preferred,
};

function Same({ results }) {
  const form = results[0]?.model.answers;
  if (!results[1] || form !== results[1].model.answers || !(form in SAID)) return null;
  const said = results.map((result) => result.answer.predictions.map((each) => JSON.stringify(SAID[form](each))));
  return html`<p role="status" class="same">${said[0].join() === said[1].join() ? t("same") : t("differ")}</p>`;
}

function Writing({ two }) {
  const sides = [useSide(two[0]), useSide(two[1])];
  const [settings, setSettings] = useState(NO_SETTINGS);
  const [draft, setDraft] = useState("");
  const busy = sides.some((side) => side.written.busy);
  function send(event) {
    event.preventDefault();
    if (!draft.trim() || busy) return;
    sides.forEach((side) => side.send(draft, settings));
    setDraft("");
  }
  const all = { busy, stop: () => sides.forEach((side) => side.written.stop()) };
  return html`<div class="card"><${Settings} value=${settings} onChange=${setSettings} system=${two.some((model) => model.writes === "chat")} />
      <${Ask} label=${t("message")} action=${t("send")} draft=${draft} setDraft=${setDraft} written=${all} onSubmit=${send} enter
        reset=${sides.some((side) => side.said.length) ? () => sides.forEach((side) => side.reset()) : null} /></div>
    <${Sides} two=${two}>${sides.map((side) => html`<${Log} said=${side.said} written=${side.written} /><${Problem} error=${side.written.error} />`)}</${Sides}>`;
}

/** One conversation; of a model that writes after a text each message is a text of its own. */
function useSide(model) {
  const [said, setSaid] = useState([]);
  const written = useWritten();
  async function send(draft, settings) {
    const asked = [...said, { role: "user", content: draft }];
    setSaid(asked);
    const what = model.writes === "chat" ? { messages: messagesOf(settings.system, asked) } : { prompt: draft };
    const over = await written.start(model, { ...what, ...asSettings(settings) });
    if (over !== null) setSaid(over.error && !over.text ? said : [...asked, { role: "assistant", content: over.text, ...over }]);
  }
  const reset = () => {
    written.clear();
    setSaid([]);
  };
  return { said, written, send, reset };
}
