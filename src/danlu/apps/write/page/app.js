// The page of the writer: what a text is to be, and drafts of it with the reasons for their places.
import { frame } from "./frame.js";
import { ask } from "./api.js";
import { Live } from "./live.js";
import { learn } from "./words.js";
import { WORDS } from "./said.js";
import { Write } from "./write.js";

learn(WORDS);

frame({ name: "danlu write", views: { write: Write, live: Live }, load: () => ask("v1/writer") });
