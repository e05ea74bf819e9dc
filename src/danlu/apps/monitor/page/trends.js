// Topics, and the trend of the one that is chosen.
import { html, useState } from "./vendor/htm-preact.js";
import { AlertRow } from "./alerts.js";
import { useAsked } from "./asked.js";
import { Heading, Problem, useName } from "./parts.js";
import { TrendPlot } from "./trend_plot.js";
import { number, t } from "./words.js";

const DAYS = [1, 7, 30, 365];

export const topicName = (topic) => (topic === "all" ? t("topic_all") : topic);

export function Trends({ seen }) {
  const [days, setDays] = useState(7);
  const [topic, setTopic] = useState("all");
  const topics = useAsked(`v1/topics?days=${days}`, seen);
  const trend = useAsked(`v1/trend?days=${days}&topic=${encodeURIComponent(topic)}`, seen);
  const rows = topics.value?.topics ?? [];
  const level = rows.find((row) => row.topic === topic)?.level ?? null;
  const name = useName();
  return html`<${Heading} told=${t("trends_told")}>${t("trends")}<//>
    <${Problem} error=${topics.error ?? trend.error} />
    <div class="row"><div class="field"><label for=${name}>${t("days")}</label>
      <select id=${name} value=${days} onChange=${(event) => setDays(Number(event.target.value))}>
        ${DAYS.map((each) => html`<option value=${each} selected=${each === days}>${t(`days_${each}`)}</option>`)}</select></div></div>
    ${topics.value && !rows.length ? html`<p class="card">${t("no_texts")}</p>` : null}
    ${rows.length ? html`<div class="card wide"><table class="topics"><thead><tr>
        <th>${t("topic")}</th><th class="figure">${t("texts")}</th><th>${t("negative")}</th><th class="figure">${t("usual")}</th><th class="figure">${t("copies")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<${TopicRow} key=${row.topic} row=${row} learn=${topics.value.learn} chosen=${row.topic === topic} onChoose=${() => setTopic(row.topic)} />`)}</tbody></table></div>` : null}
    ${trend.value && rows.length ? html`<${TrendPlot} trend=${trend.value} level=${level} title=${t("trend_of", { topic: topicName(topic) })} />
      ${trend.value.alerts.length ? html`<ol class="alerts">${trend.value.alerts.map((alert) => html`<${AlertRow} key=${alert.id} alert=${alert} />`)}</ol>` : null}` : null}`;
}

function TopicRow({ row, learn, chosen, onChoose }) {
  const share = row.texts ? row.negatives / row.texts : 0;
  const usual = row.level !== null ? number(row.level, "percent") : row.learning !== null ? t("learning", { count: number(row.learning), all: number(learn) }) : t("not_yet");
  return html`<tr class=${chosen ? "chosen" : ""}>
    <td><button type="button" class="small" aria-pressed=${chosen ? "true" : "false"} onClick=${onChoose} dir="auto">${topicName(row.topic)}</button></td>
    <td class="figure">${number(row.texts)}</td>
    <td><span class="share"><span class="track" aria-hidden="true"><span style=${{ width: `${share * 100}%` }}></span></span>${number(share, "percent")}</span></td>
    <td class="figure">${usual}</td><td class="figure">${number(row.copies)}</td></tr>`;
}
