// The desk: what waits for a person, what customers say, and whether the webhook takes what is sent.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Judge } from "./judge.js";
import { Bars, Heading, Problem } from "./parts.js";
import { Past } from "./talk.js";
import { number, t } from "./words.js";

/** Milliseconds between looks at what is new while the desk is seen. */
const AGAIN = 15_000;

export function Desk({ loaded, seen }) {
  const [state, setState] = useState(loaded);
  const [error, setError] = useState(null);

  async function look(first) {
    let refused = null;
    try {
      await first?.();
    } catch (problem) {
      refused = problem; // what it was refused for is shown beside it
    }
    try {
      setState(await ask("v1/state"));
      setError(refused);
    } catch (problem) {
      setError(refused ?? problem);
    }
  }
  useEffect(() => {
    if (!seen) return undefined;
    look();
    const timer = setInterval(() => ask("v1/state").then(setState, () => {}), AGAIN);
    return () => clearInterval(timer);
  }, [seen]);

  const most = Math.max(1, ...state.intents.map(([, count]) => count));
  return html`<${Heading} told=${t("desk_told")}>${t("desk")}</${Heading}>
    <p><button type="button" class="small" onClick=${() => look()}>${t("refresh")}</button></p>
    <${Problem} error=${error} />
    <h3>${t("waits")}</h3>
    ${state.waiting.length ? null : html`<p class="quiet">${t("nothing_waits")}</p>`}
    ${state.waits > state.waiting.length ? html`<p class="quiet">${t("more_wait", { count: number(state.waits), shown: number(state.waiting.length) })}</p>` : null}
    ${state.waiting.map((each) => html`<article class="card" key=${each.id}>
      <p class="written" dir="auto">${each.summary.text}</p>
      ${each.summary.turns.length ? html`<details><summary>${t("show_turns")}</summary><${Past} entries=${each.summary.turns} /></details>` : null}
      <${Judge} turn=${each.turn} kind="person" nearest=${each.summary.nearest} onKept=${() => look()} />
      <p><button type="button" class="small" onClick=${() => look(() => ask("v1/done", { handover: each.id, turn: each.turn }))}>${t("done")}</button></p></article>`)}
    <h3>${t("complaints")}</h3>
    ${state.complaints.length ? null : html`<p class="quiet">${t("no_complaints")}</p>`}
    ${state.complaints.map((each) => html`<article class="card" key=${each.id}><${Past} entries=${[each]} />
      <${Judge} turn=${each.id} kind=${each.kind} nearest=${each.nearest} onKept=${() => look()} /></article>`)}
    <h3>${t("outbox")}</h3>
    <p>${state.webhook ? t("outbox_counts", { sent: number(state.outbox.sent), waiting: number(state.outbox.waiting), failed: number(state.outbox.failed) }) : t("no_webhook")}</p>
    ${state.outbox.failed ? html`<button type="button" onClick=${() => look(() => ask("v1/send-again", {}))}>${t("send_again")}</button>` : null}
    <h3>${t("intents")}</h3>
    <${Bars} rows=${state.intents.map(([name, count]) => [name || t("no_intent"), count / most, number(count)])} />`;
}
