// What an assistant shows: a conversation to try it, the desk of who keeps it, and its versions.
import { ask } from "./api.js";
import { Desk } from "./desk.js";
import { frame } from "./frame.js";
import { WORDS } from "./own_words.js";
import { Talk } from "./talk.js";
import { Versions } from "./versions.js";

frame({
  name: "danlu assistant",
  words: WORDS,
  views: { talk: Talk, desk: Desk, versions: Versions },
  load: () => ask("v1/state"),
  waiting: "opening",
  links: ["widget"],
});
