// A user, what he is recommended and why, and what he has done.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Heading, Plain, Problem, useName } from "./parts.js";
import { language, number, t } from "./words.js";

const KNOWN = ["view", "click", "comment", "share"];

/** How an action is called: those that are usual in the language of the page, others as they are. */
export const called = (action) => (KNOWN.includes(action) ? t(`do_${action}`) : action);

export function ForYou({ loaded }) {
  const actions = Object.keys(loaded.state.weights);
  const [user, setUser] = useState(loaded.users[0]?.user ?? "");
  const [interests, setInterests] = useState("");
  const [diversity, setDiversity] = useState(0);
  const [shown, setShown] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const [told, setTold] = useState(null);
  const last = useRef(0);

  async function list(of = user) {
    if (!of.trim()) return;
    const mine = (last.current += 1);
    setBusy(true);
    try {
      const body = { user: of, limit: 10, diversity, interests };
      const [answer, history] = await Promise.all([ask("v1/recommend", body), ask(`v1/history?user=${encodeURIComponent(of)}`)]);
      if (mine !== last.current) return;
      setShown({ body, answer, history });
      setError(null);
    } catch (problem) {
      if (mine === last.current) setError(problem);
    }
    if (mine === last.current) setBusy(false);
  }
  async function done(item, action) {
    const { user: whose } = shown.body; // whose list it is, whatever stands in the field by now
    try {
      const taken = await ask("v1/behaviour", { behaviour: [{ user: whose, item: item.item, action }] });
      setTold({ taken, item, action });
      await list(whose);
    } catch (problem) {
      setError(problem);
    }
  }
  useEffect(() => {
    list();
  }, [diversity]);

  return html`<${Heading} told=${t("for_you_told")}>${t("for_you")}</${Heading}>
    <${State} state=${loaded.state} />
    <div class="sides"><div class="card">
      <form onSubmit=${(event) => { event.preventDefault(); setTold(null); list(); }}>
        <${Field} label=${t("user")} hint=${t("user_hint")}>${(name) => html`<input id=${name} type="text" class="line" list="users" maxlength="200" required autocomplete="off" value=${user} onInput=${(event) => setUser(event.target.value)} />
          <datalist id="users">${loaded.users.map((each) => html`<option value=${each.user}>${t("items_read", { count: number(each.items) })}</option>`)}</datalist>`}</${Field}>
        <${Field} label=${t("interests")} hint=${t("interests_hint")}>${(name) => html`<textarea id=${name} rows="2" maxlength="20000" value=${interests} onInput=${(event) => setInterests(event.target.value)}></textarea>`}</${Field}>
        <${Field} label=${t("diversity", { value: number(diversity) })} hint=${t("diversity_hint")}>${(name) => html`<input id=${name} type="range" min="0" max="1" step="0.1" value=${diversity} onChange=${(event) => setDiversity(Number(event.target.value))} />`}</${Field}>
        <div class="buttons"><button type="submit" class="main" disabled=${busy}>${t("recommend")}</button></div>
      </form>
      <${History} history=${shown?.history} />
    </div>
    <section class="card result" aria-label=${t("recommended")} aria-live="polite" aria-busy=${busy}>
      ${told ? html`<p class="told" role="status">${t("done_told", { action: called(told.action), title: told.item.title })}
        ${told.taken.told[language()].slice(1).map((sentence) => html` ${sentence}`)}</p>` : null}
      <${Problem} error=${error} />
      ${shown ? html`<${List} ...${shown} actions=${actions} onDone=${done} />` : null}
    </section></div>`;
}

function List({ body, answer, actions, onDone }) {
  if (!answer.items.length) return html`<p class="quiet">${t("all_seen")}</p>`;
  return html`<ol class="listed">${answer.items.map((item) => html`<li key=${item.item}>
      <h3 dir="auto">${item.title}</h3>
      <p class="because" dir="auto">${item.reason.told[language()]}</p>
      ${item.text && item.text !== item.title ? html`<p class="snippet quiet" dir="auto">${item.text}</p>` : null}
      <div class="buttons">${actions.map((action) => html`<button type="button" class="small" aria-label=${`${called(action)}: ${item.title}`} onClick=${() => onDone(item, action)}>${called(action)}</button>`)}</div>
    </li>`)}</ol>
    <${Plain} request=${{ path: "POST /v1/recommend", body }} answer=${answer} />`;
}

function History({ history }) {
  if (!history) return null;
  return html`<h3>${t("history")}</h3>
    ${history.known ? html`<ul class="history">${history.history.slice(0, 12).map((each) => html`<li><span class="tag">${called(each.action)}</span> <span dir="auto">${each.title}</span></li>`)}</ul>`
      : html`<p class="quiet">${t("no_history")}</p>`}`;
}

function State({ state }) {
  const ranked = t(`by_${state.ranked_by}`);
  return html`<p class="quiet facts">${t("state_told", { items: number(state.items), users: number(state.users), vectors: t(`vectors_${state.vectors}`), ranked })}
    ${state.waiting ? ` ${t("waiting_told", { count: number(state.waiting) })}` : null}</p>`;
}

/** A field with its label and a hint; `children` is a function of the name of the field. */
export function Field({ label, hint, children }) {
  const name = useName();
  return html`<div class="field"><label for=${name}>${label}</label>${children(name)}${hint ? html`<p class="hint">${hint}</p>` : null}</div>`;
}
