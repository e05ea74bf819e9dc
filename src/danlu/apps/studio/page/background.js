// What takes longer than a page waits: begun, watched, stopped; and the pages that come of it, in a frame that can do nothing.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Problem } from "./parts.js";
import { language, number, t } from "./words.js";

const EVERY = 500; // milliseconds between two looks at what is under way

/** One thing in the background at most: how it is begun, how far it is, what it has found, and how it is stopped. */
export function useBackground() {
  const [state, setState] = useState({});
  const last = useRef(0);
  useEffect(() => () => { last.current += 1; }, []);

  async function begin(path, body) {
    const mine = (last.current += 1);
    const put = (told) => last.current === mine && setState(told);
    put({ busy: true });
    try {
      let job = await ask(path, { ...body, language: language() });
      while (job.state === "running") {
        put({ busy: true, job });
        await new Promise((over) => setTimeout(over, EVERY));
        if (last.current !== mine) return;
        job = await ask(`v1/job?id=${job.id}`);
      }
      put({ job, result: job.result ? await ask(`v1/result?id=${job.id}`) : null });
    } catch (error) {
      put({ error });
    }
  }
  const stop = () => state.job && ask("v1/jobs/stop", { id: state.job.id }).catch(() => {});
  function clear() {
    last.current += 1;
    setState({});
  }
  return { ...state, begin, stop, clear };
}

/** How far something in the background is, and why it has ended where it has not ended well. */
export function Background({ busy, job, error, stop }) {
  if (error) return html`<${Problem} error=${error} />`;
  if (!busy && !job) return null;
  if (busy) {
    return html`<div class="background" role="status"><progress aria-label=${t("under_way")}></progress>
      <p dir="auto">${job?.progress || job?.lines.at(-1) || t("begun_now")} <span class="quiet">${job ? number(job.seconds, "seconds") : ""}</span></p>
      ${job ? html`<button type="button" class="small" onClick=${stop}>${t("stop")}</button>` : null}
      <${Lines} lines=${job?.lines} /></div>`;
  }
  if (job.state === "done") return html`<${Lines} lines=${job.lines} />`;
  if (job.state === "stopped") return html`<p class="quiet" role="status">${t("was_stopped")}</p>`;
  const told = job.lines.filter((line) => line.startsWith("danlu: ")).map((line) => line.slice(7));
  return html`<p class="problem" role="alert" dir="auto">${told.join("\n") || job.lines.at(-1) || t("ended_badly")}</p>
    <${Lines} lines=${job.lines} />`;
}

function Lines({ lines = [] }) {
  if (lines.length < 2) return null;
  return html`<details class="lines"><summary>${t("lines")}</summary><pre tabindex="0" dir="auto">${lines.join("\n")}</pre></details>`;
}

/** The page that something has left. It may hold anybody's texts, so nothing in it is run, sent or followed. */
export function Made({ job, title }) {
  if (!job?.page) return null;
  const address = `made/${job.id}`;
  return html`<div class="made"><p class="quiet"><a href=${address} target="_blank" rel="noopener noreferrer">${t("by_itself")}</a></p>
    <iframe sandbox="" src=${address} title=${title}></iframe></div>`;
}

/** A field with a label; `children` gives the input, given the name that the label knows. */
export function Labelled({ name, label, hint, children }) {
  return html`<div class="field"><label for=${name}>${label}</label>${children}${hint ? html`<p class="hint">${hint}</p>` : null}</div>`;
}

/** Bytes as people read them. */
export function bytes(count) {
  const step = Math.max(0, Math.min(3, Math.floor(Math.log10(Math.max(count, 1)) / 3)));
  return `${number(count / 1000 ** step)} ${["B", "kB", "MB", "GB"][step]}`;
}
