// What the studio shows: runs, what differs between them, data, recipes and bundles.
import { ask } from "./api.js";
import { Bundles } from "./bundles.js";
import { Compare } from "./compare_runs.js";
import { Data } from "./data.js";
import { frame } from "./frame.js";
import { Recipe } from "./recipe.js";
import { Runs } from "./runs.js";
import { learn } from "./words.js";
import { WORDS } from "./studio_words.js";
import { WORDS as OF_DATA } from "./studio_data_words.js";

learn(WORDS);
learn(OF_DATA);
for (const name of ["studio.css", "studio_data.css"]) {
  const sheet = document.createElement("link");
  Object.assign(sheet, { rel: "stylesheet", href: new URL(name, import.meta.url).href });
  document.head.append(sheet);
}

frame({
  name: "danlu studio",
  views: { runs: Runs, compare_runs: Compare, data: Data, recipe: Recipe, bundles: Bundles },
  load: () => ask("v1/runs"),
  waiting: "opening",
});
