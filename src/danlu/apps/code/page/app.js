// The page of code completion: a gap in a file to be filled, and how an editor asks for it.
import { ask } from "./api.js";
import { Fill } from "./fill.js";
import { frame } from "./frame.js";
import { Live } from "./live.js";
import { WORDS } from "./own_words.js";

frame({ name: "danlu code", words: WORDS, views: { fill: Fill, live: Live }, load: () => ask("v1/code") });
