// What is like an item or a text; and a new item, which can be recommended by its text at once.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Field } from "./for_you.js";
import { Bars, Heading, Plain, Problem } from "./parts.js";
import { t } from "./words.js";

export function Items() {
  return html`<${Heading} told=${t("items_told")}>${t("items")}</${Heading}>
    <div class="sides"><${New} /><${Near} /></div>`;
}

function New() {
  const [item, setItem] = useState({ item: "", title: "", text: "" });
  const [told, setTold] = useState(null);
  const [error, setError] = useState(null);
  const put = (name) => (event) => setItem({ ...item, [name]: event.target.value });

  async function offer() {
    try {
      setTold(await ask("v1/items", { items: [{ ...item, time: "now" }] }));
      setError(null);
    } catch (problem) {
      setTold(null);
      setError(problem);
    }
  }
  return html`<form class="card" onSubmit=${(event) => { event.preventDefault(); offer(); }}><h3>${t("new_item")}</h3>
    <${Field} label=${t("item")}>${(name) => html`<input id=${name} type="text" class="line" required maxlength="200" value=${item.item} onInput=${put("item")} />`}</${Field}>
    <${Field} label=${t("title")}>${(name) => html`<input id=${name} type="text" class="line" required maxlength="500" value=${item.title} onInput=${put("title")} />`}</${Field}>
    <${Field} label=${t("item_text")}>${(name) => html`<textarea id=${name} rows="4" value=${item.text} onInput=${put("text")}></textarea>`}</${Field}>
    <div class="buttons"><button type="submit" class="main">${t("offer")}</button></div>
    <div aria-live="polite">${told ? html`<p class="told">${told.added ? t("offered") : told.changed ? t("changed") : t("unchanged")}</p>` : null}
    <${Problem} error=${error} /></div></form>`;
}

function Near() {
  const [text, setText] = useState("");
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);

  async function seek(body) {
    try {
      setFound({ body, answer: await ask("v1/near", body) });
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }
  return html`<section class="card result"><h3>${t("near")}</h3>
    <form onSubmit=${(event) => { event.preventDefault(); seek({ text, limit: 10 }); }}>
      <${Field} label=${t("near_text")}>${(name) => html`<textarea id=${name} rows="2" required value=${text} onInput=${(event) => setText(event.target.value)}></textarea>`}</${Field}>
      <div class="buttons"><button type="submit" class="main">${t("seek")}</button></div>
    </form>
    <div aria-live="polite"><${Problem} error=${error} />
    ${found && !found.answer.items.length ? html`<p class="quiet">${t("nothing_near")}</p>` : null}
    ${found?.answer.items.length ? html`<${Bars} rows=${found.answer.items.map((each) => [each.title, each.score / found.answer.items[0].score, each.score.toFixed(3)])} />
      <p class="quiet">${t("near_of")}</p>
      <div class="texts">${found.answer.items.map((each) => html`<button type="button" class="chip" onClick=${() => seek({ item: each.item, limit: 10 })}>${each.title}</button>`)}</div>
      <${Plain} request=${{ path: "POST /v1/near", body: found.body }} answer=${found.answer} />` : null}</div></section>`;
}
