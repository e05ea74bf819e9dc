// What an assistant shows: a conversation to try it, the desk of who keeps it, and its versions.
import { ask } from "./api.js";
import { Desk } from "./desk.js";
import { frame } from "./frame.js";
import { Talk } from "./talk.js";
import { Versions } from "./versions.js";
import { WORDS } from "./assistant_words.js";
import { learn } from "./words.js";

learn(WORDS);
frame({
  name: "danlu assistant",
  views: { talk: Talk, desk: Desk, versions: Versions },
  load: () => ask("v1/state"),
  links: ["widget"],
});
