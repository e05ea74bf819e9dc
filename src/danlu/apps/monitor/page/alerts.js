// Alerts, and the texts behind each.
import { html, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { useAsked } from "./asked.js";
import { Heading, Problem } from "./parts.js";
import { number, t } from "./words.js";
import { moment } from "./moment.js";

export function Alerts({ seen }) {
  const said = useAsked("v1/alerts", seen);
  const alerts = said.value?.alerts;
  return html`<${Heading} told=${t("alerts_told")}>${t("alerts")}<//>
    <${Problem} error=${said.error} />
    ${alerts && !alerts.length ? html`<p class="card">${t("no_alerts")}</p>` : null}
    ${alerts?.length ? html`<ol class="alerts">${alerts.map((alert) => html`<${AlertRow} key=${alert.id} alert=${alert} onSent=${said.again} />`)}</ol>` : null}`;
}

export function AlertRow({ alert, onSent }) {
  const [texts, setTexts] = useState(null);
  const [error, setError] = useState(null);
  const { told } = alert;
  const topic = alert.topic === "all" ? t("topic_all") : alert.topic;
  const shares = { before: number(told.before, "percent"), after: number(told.after, "percent") };

  async function open() {
    if (texts !== null) return setTexts(null);
    try {
      setTexts((await ask(`v1/alerts/${alert.id}`)).texts);
      return setError(null);
    } catch (problem) {
      return setError(problem);
    }
  }
  async function again() {
    try {
      await ask("v1/again", { alert: alert.id });
      setError(null);
      onSent?.();
    } catch (problem) {
      setError(problem);
    }
  }
  const failed = alert.messages.some((message) => message.state === "failed");
  return html`<li class="card alert">
    <p class=${`large ${told.direction === "up" ? "bad" : "good"}`}><span aria-hidden="true">${told.direction === "up" ? "▲" : "▼"}</span> <bdi>${topic}</bdi>: ${t(`alert_${told.direction}`, shares)}</p>
    <p class="quiet">${moment((told.step + 1) * told.seconds)} · ${t("alert_counts", { since: moment(told.since * told.seconds), negatives: number(told.negatives), texts: number(told.texts) })}</p>
    <p class="quiet">${alert.messages.length ? alert.messages.map((message) => html`<span class=${message.state === "failed" ? "bad" : ""} title=${message.error ?? ""}>${t(`message_${message.state}`, message)}</span> `) : t("no_channels")}</p>
    <${Problem} error=${error} />
    <div class="buttons"><button type="button" class="small" aria-expanded=${texts !== null ? "true" : "false"} onClick=${open}>${texts === null ? t(told.direction === "up" ? "behind" : "behind_down") : t("hide")}</button>
      ${failed ? html`<button type="button" class="small" onClick=${again}>${t("send_again")}</button>` : null}</div>
    ${texts === null ? null : html`<ul class="behind">${texts.map((text) => html`<li key=${text.id}><${Text} text=${text} /></li>`)}</ul>`}
  </li>`;
}

function Text({ text }) {
  const linked = /^https?:\/\//.test(text.url);
  return html`<p dir="auto">${text.title && !text.text.startsWith(text.title) ? html`<strong>${text.title}</strong> ` : null}${text.text}</p>
    <p class="quiet">${moment(text.date)} · <bdi>${text.source}</bdi> ${linked ? html`<a href=${text.url} rel="noopener noreferrer nofollow" target="_blank">${text.url}</a>` : null}</p>`;
}
