// The runs of a folder.
import { html } from "./vendor/htm-preact.js";
import { Heading } from "./parts.js";
import { t } from "./words.js";

export function Runs({ loaded }) {
  return html`<${Heading}>${t("runs")}<//><ul>${loaded.runs.map(({ name }) => html`<li dir="auto">${name}</li>`)}</ul>`;
}
