// How the server fares: what `/metrics` counts, read every two seconds while somebody looks.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { readiness, text } from "./api.js";
import { Heading, Problem } from "./parts.js";
import { Plot } from "./plots.js";
import { grown, parsed, quantile, total } from "./prometheus.js";
import { number, t } from "./words.js";

const EVERY = 2; // seconds
const SHOWN = 120; // seconds that the plots show
const OVER = 15; // readings over which latencies are counted: half a minute

export function Live({ seen }) {
  const { readings, ready, error } = useReadings(seen);
  const now = readings.at(-1);
  const [state, good] = !ready ? ["…", null] : [t(`state_${ready.status}`), ready.status === "ready"];
  return html`<${Heading} told=${t("live_told")}>${t("live")}</${Heading}>
    <${Problem} error=${error} />
    <dl class="numbers card">
      <div><dt>${t("state")}</dt><dd class=${good === null ? "" : good ? "good" : "bad"}>${state}</dd></div>
      <div><dt>${t("answered")}</dt><dd>${number(now ? total(now.samples, "danlu_requests_total", (labels) => labels.status < "400") : 0)}</dd></div>
      <div><dt>${t("refused")}</dt><dd>${number(now ? total(now.samples, "danlu_requests_total", (labels) => labels.status >= "400") : 0)}</dd></div>
      <div><dt>${t("tokens_read")}</dt><dd>${number(now ? total(now.samples, "danlu_tokens_total", (labels) => labels.way === "read") : 0)}</dd></div>
      <div><dt>${t("tokens_written")}</dt><dd>${number(now ? total(now.samples, "danlu_tokens_total", (labels) => labels.way === "written") : 0)}</dd></div>
    </dl>
    <${Drifted} differences=${ready?.differences} />
    <div class="plots">${plotted(readings)}</div>`;
}

function Drifted({ differences }) {
  if (!differences) return null;
  return html`<div class="problem" role="alert"><strong>${t("drifted")}</strong>
    <ul>${Object.entries(differences).flatMap(([model, told]) => told.map((each) => html`<li>${model}: ${each}</li>`))}</ul></div>`;
}

function useReadings(seen) {
  const [state, setState] = useState({ readings: [] });
  useEffect(() => {
    if (!seen) return undefined;
    let over = false;
    let timer;
    async function read() {
      try {
        const [counted, ready] = document.hidden ? [] : await Promise.all([text("metrics"), readiness()]);
        if (over) return;
        const one = counted && { time: performance.now() / 1000, samples: parsed(counted) };
        if (one) setState(({ readings }) => ({ ready, readings: [...readings.slice(-SHOWN / EVERY - OVER), one] }));
      } catch (error) {
        if (!over) setState(({ readings }) => ({ readings, error }));
      }
      if (!over) timer = setTimeout(read, EVERY * 1000);
    }
    read();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [seen]);
  return state;
}

function plotted(readings) {
  const last = readings.at(-1)?.time ?? 0;
  const line = (name, value) => ({
    name,
    points: readings.map((reading, place) => [last - reading.time, value(readings, place)]).filter(([ago]) => ago <= SHOWN),
  });
  const rate = (name, takes) => (all, place) => {
    if (!place) return null;
    const [before, after] = [all[place - 1], all[place]];
    return grown(before.samples, after.samples, name, takes) / (after.time - before.time);
  };
  const worked = (labels) => labels.route !== "/v1/models";
  const late = (share) => (all, place) => place
    ? quantile(all[Math.max(0, place - OVER)].samples, all[place].samples, "danlu_request_seconds", share, worked)
    : null;
  const value = (name) => (all, place) => total(all[place].samples, name);
  const plots = [
    [t("requests_per_second"), number, [
      line(t("answered"), rate("danlu_requests_total", (labels) => labels.status < "400")),
      line(t("refused"), rate("danlu_requests_total", (labels) => labels.status >= "400")),
    ]],
    [t("tokens_per_second"), number, [
      line(t("read"), rate("danlu_tokens_total", (labels) => labels.way === "read")),
      line(t("written_tokens"), rate("danlu_tokens_total", (labels) => labels.way === "written")),
    ]],
    [t("latency"), (seconds) => number(seconds, "seconds"), [line("p50", late(0.5)), line("p99", late(0.99))]],
    [t("queue"), number, [line(t("requests"), value("danlu_waiting_requests"))]],
    [t("queue_tokens"), number, [line(t("tokens"), value("danlu_waiting_tokens"))]],
  ];
  return plots.map(([title, told, lines]) => html`<${Plot} key=${title} title=${title} lines=${lines} seconds=${SHOWN} told=${(each) => told(each)} />`);
}
