// What a monitor shows: trends of topics, alerts with the texts behind them, and how its sources and messages fare.
import { Alerts } from "./alerts.js";
import { ask } from "./api.js";
import { frame } from "./frame.js";
import { WORDS } from "./own_words.js";
import { State } from "./state.js";
import { Trends } from "./trends.js";

frame({
  name: "danlu monitor",
  words: WORDS,
  style: "own.css",
  views: { trends: Trends, alerts: Alerts, state: State },
  load: async () => ask("v1/topics?days=7"),
  waiting: "opening",
});
