// What a folder of documents answers, and what is in it.
import { ask } from "./api.js";
import { Documents } from "./documents.js";
import { frame } from "./frame.js";
import { WORDS } from "./own_words.js";
import { Questions } from "./questions.js";

frame({
  name: "danlu knowledge",
  words: WORDS,
  style: "own.css",
  views: { questions: Questions, documents: Documents },
  load: () => ask("v1/documents"),
  waiting: "opening",
});
