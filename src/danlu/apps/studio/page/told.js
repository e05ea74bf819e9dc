// How runs are told: states, durations, ages, scores.
import { html } from "./vendor/htm-preact.js";
import { language, number, t } from "./words.js";

const GOOD = { done: "good", running: "now", waiting: "now", failed: "bad", interrupted: "bad" };

export function State({ state }) {
  return html`<span class=${`run-state ${GOOD[state] ?? ""}`}><i aria-hidden="true"></i>${t(`run_${state}`)}</span>`;
}

/** Some seconds, in the two largest units. */
export function lasted(seconds) {
  if (!(seconds >= 0)) return "–";
  if (seconds < 60) return t("lasted_seconds", { seconds: number(seconds) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("lasted_minutes", { minutes });
  return t("lasted_hours", { hours: number(Math.floor(minutes / 60)), minutes: minutes % 60 });
}

/** How long ago that is. */
export function ago(seconds) {
  const told = new Intl.RelativeTimeFormat(language(), { numeric: "always", style: "short" });
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = units.find(([, each]) => seconds >= each) ?? units.at(-1);
  return told.format(-Math.max(0, Math.floor(seconds / size)), unit);
}

/** A value of a log or of scores in few digits. */
export function value(given) {
  if (given === null || given === undefined) return "–";
  const size = Math.abs(given);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return given.toExponential(2);
  return new Intl.NumberFormat(language(), { maximumSignificantDigits: size >= 1000 ? 6 : 4 }).format(given);
}

export function Score({ score }) {
  if (!score) return html`<span class="quiet">–</span>`;
  const interval = score.low === null || score.low === undefined ? null : `${value(score.low)} – ${value(score.high)}`;
  return html`<span class="run-score"><b>${value(score.value)}</b>${interval ? html` <span class="quiet interval">${interval}</span>` : null}</span>`;
}

/** The name of a series of a log: in words, where there are some. */
export function seriesName(name) {
  const known = { loss: "series_loss", rate: "series_rate", gradient_norm: "series_gradient", tokens_per_second: "tokens_per_second", share_of_limit: "series_share", attention: "series_attention" };
  return known[name] ? t(known[name]) : name;
}
