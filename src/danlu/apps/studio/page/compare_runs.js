// Runs side by side.
import { html } from "./vendor/htm-preact.js";
import { Heading } from "./parts.js";
import { t } from "./words.js";

export function Compare() {
  return html`<${Heading}>${t("compare_runs")}<//>`;
}
