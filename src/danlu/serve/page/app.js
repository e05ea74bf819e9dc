// What a server of bundles shows: predictions, conversations, models side by side, and how it fares.
import { html } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Chat } from "./chat.js";
import { Compare } from "./compare.js";
import { frame } from "./frame.js";
import { Live } from "./live.js";
import { Predict } from "./predict.js";

/** A view that is given the models. */
const of = (View, of_them = () => true) => ({ loaded, seen }) => html`<${View} models=${loaded.filter(of_them)} seen=${seen} />`;

frame({
  views: { predict: of(Predict), chat: of(Chat, (model) => model.writes), compare: of(Compare), live: of(Live) },
  load: async () => (await ask("v1/models")).data,
});
