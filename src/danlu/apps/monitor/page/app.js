// What a monitor shows: trends of topics, alerts with the texts behind them, and how its sources and messages fare.
import { html } from "./vendor/htm-preact.js";
import { Alerts } from "./alerts.js";
import { ask } from "./api.js";
import { frame } from "./frame.js";
import { State } from "./state.js";
import { Trends } from "./trends.js";
import "./words.monitor.js";

const sheet = document.createElement("link");
Object.assign(sheet, { rel: "stylesheet", href: new URL("monitor.css", import.meta.url).href });
document.head.append(sheet);

frame({
  name: "danlu monitor",
  views: { trends: Trends, alerts: Alerts, state: State },
  load: async () => ask("v1/topics?days=7"),
  waiting: "opening",
});
