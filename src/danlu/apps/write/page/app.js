// The page of the writer: what a text is to be, and drafts of it with the reasons for their places.
import { ask } from "./api.js";
import { frame } from "./frame.js";
import { Live } from "./live.js";
import { WORDS } from "./own_words.js";
import { Write } from "./write.js";

frame({ name: "danlu write", words: WORDS, views: { write: Write, live: Live }, load: () => ask("v1/writer") });
