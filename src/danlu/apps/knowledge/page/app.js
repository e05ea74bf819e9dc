// What a folder of documents answers, and what is in it.
import { ask } from "./api.js";
import { Documents } from "./documents.js";
import { frame } from "./frame.js";
import { Questions } from "./questions.js";
import { learn } from "./words.js";
import { WORDS } from "./knowledge_words.js";

learn(WORDS);
const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("knowledge.css", import.meta.url).href;
document.head.append(style);

frame({
  name: "danlu knowledge",
  views: { questions: Questions, documents: Documents },
  load: () => ask("v1/documents"),
  waiting: "opening",
});
