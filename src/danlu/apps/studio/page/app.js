// What the studio shows: runs, what differs between them, data, recipes and bundles.
import { ask } from "./api.js";
import { Bundles } from "./bundles.js";
import { Compare } from "./compare_runs.js";
import { Data } from "./data.js";
import { frame } from "./frame.js";
import { WORDS } from "./own_words.js";
import { Recipe } from "./recipe.js";
import { Runs } from "./runs.js";

frame({
  name: "danlu studio",
  words: WORDS,
  style: "own.css",
  views: { runs: Runs, compare_runs: Compare, data: Data, recipe: Recipe, bundles: Bundles },
  load: () => ask("v1/runs"),
  waiting: "opening",
});
