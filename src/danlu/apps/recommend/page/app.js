// Lists for users, with the reason for each item; what is done here counts at once.
import { ask } from "./api.js";
import { ForYou } from "./for_you.js";
import { frame } from "./frame.js";
import { Items } from "./items.js";
import { OWN_WORDS } from "./own_words.js";
import { learn } from "./words.js";

learn(OWN_WORDS);
const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("./recommend.css", import.meta.url).href;
document.head.append(style);

frame({
  name: "danlu recommend",
  views: { for_you: ForYou, items: Items },
  waiting: "loading_users",
  load: async () => {
    const [state, users] = await Promise.all([ask("v1/state"), ask("v1/users")]);
    return { state, users: users.users };
  },
});
