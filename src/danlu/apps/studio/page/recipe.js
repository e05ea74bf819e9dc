// Recipe.
import { html } from "./vendor/htm-preact.js";
import { Heading } from "./parts.js";
import { t } from "./words.js";

export function Recipe({ seen, at }) {
  return html`<${Heading}>${t("recipe")}<//>`;
}
