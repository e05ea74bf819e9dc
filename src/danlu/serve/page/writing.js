// What chat, completions and the comparison have in common: how is written, and a text that grows.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { write } from "./api.js";
import { useName } from "./parts.js";
import { number, t } from "./words.js";

/** A text that a model writes, piece by piece; `start(model, asked)` gives it, or null where it was cleared. */
export function useWritten() {
  const [state, setState] = useState({ text: "", busy: false });
  const last = useRef(null);
  useEffect(() => () => last.current?.abort(), []);
  const stop = () => last.current?.abort();
  async function start(model, asked) {
    stop();
    const mine = (last.current = new AbortController());
    let text = "";
    const put = (more) => last.current === mine && setState({ text, busy: true, ...more });
    put();
    let over;
    try {
      over = { end: await write(model, asked, (piece) => { text += piece; put(); }, mine.signal) };
    } catch (error) {
      over = error.name === "AbortError" ? { stopped: true } : { error };
    }
    if (last.current !== mine) return null; // it was cleared, or another one has begun
    put({ busy: false, ...over });
    return { text, ...over };
  }
  function clear() {
    stop();
    last.current = null;
    setState({ text: "", busy: false });
  }
  return { ...state, start, stop, clear };
}

/** What the settings say to a request; what is left empty is as the bundle says. */
export function asSettings({ temperature, most }) {
  return {
    ...(temperature === "" ? {} : { temperature: Number(temperature) }),
    ...(most === "" ? {} : { max_tokens: Number(most) }),
  };
}

export const NO_SETTINGS = { system: "", temperature: "", most: "" };

export function Settings({ value, onChange, system }) {
  const name = useName();
  const field = (which, label, attributes) => html`<div class="field"><label for=${`${name}-${which}`}>${label}</label>
    <input id=${`${name}-${which}`} type="number" placeholder=${t("as_bundle")} value=${value[which]} ...${attributes}
      onInput=${(event) => onChange({ ...value, [which]: event.target.value })} /></div>`;
  return html`<details class="settings"><summary>${t("settings")}</summary>
    ${system ? html`<div class="field"><label for=${`${name}-system`}>${t("system")}</label>
      <textarea id=${`${name}-system`} rows="2" dir="auto" value=${value.system} onInput=${(event) => onChange({ ...value, system: event.target.value })}></textarea></div>` : null}
    <div class="row">${field("temperature", t("temperature"), { min: 0, max: 2, step: "any" })}
      ${field("most", t("most"), { min: 1, step: 1 })}</div></details>`;
}

/** Why a text ended, and how fast it came. */
export function Ended({ end, stopped }) {
  if (stopped) return html`<span class="quiet">${t("stopped")}</span>`;
  if (!end) return null;
  const tokens = end.usage?.completion_tokens ?? 0;
  const rate = end.milliseconds > 0 ? (1000 * tokens) / end.milliseconds : 0;
  const told = t("wrote", { tokens: number(tokens), milliseconds: number(end.milliseconds), rate: number(rate) });
  return html`<span class="quiet">${end.reason === "length" ? `${t("ended_length")} ` : ""}${told}</span>`;
}

/** Told to those who hear the page: that something is being written, and when it is over. */
export function Spoken({ busy, stopped, end }) {
  return html`<p class="unseen" role="status">${busy ? t("writing") : stopped ? t("stopped") : end ? t("written") : ""}</p>`;
}
