// Lists for users, with the reason for each item; what is done here counts at once.
import { ask } from "./api.js";
import { ForYou } from "./for_you.js";
import { frame } from "./frame.js";
import { Items } from "./items.js";
import { WORDS } from "./own_words.js";

frame({
  name: "danlu recommend",
  words: WORDS,
  style: "own.css",
  views: { for_you: ForYou, items: Items },
  waiting: "loading_users",
  load: async () => {
    const [state, users] = await Promise.all([ask("v1/state"), ask("v1/users")]);
    return { state, users: users.users };
  },
});
