// Bundles.
import { html } from "./vendor/htm-preact.js";
import { Heading } from "./parts.js";
import { t } from "./words.js";

export function Bundles({ seen, at }) {
  return html`<${Heading}>${t("bundles")}<//>`;
}
