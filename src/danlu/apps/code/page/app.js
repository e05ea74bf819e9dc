// The page of code completion: a gap in a file to be filled, and how an editor asks for it.
import { frame } from "./frame.js";
import { ask } from "./api.js";
import { Fill } from "./fill.js";
import { Live } from "./live.js";
import { WORDS } from "./said.js";
import { learn } from "./words.js";

learn(WORDS);

frame({ name: "danlu code", views: { fill: Fill, live: Live }, load: () => ask("v1/code") });
