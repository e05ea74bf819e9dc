// What is asked of the server again and again while it is seen.
import { useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";

const EVERY = 10_000; // milliseconds

/** What a path says, the problem if there is one, and a function that asks at once. */
export function useAsked(path, seen) {
  const [said, setSaid] = useState({ path: null, value: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!seen || path === null) return undefined;
    const ending = new AbortController();
    async function again() {
      try {
        const value = await ask(path, undefined, ending.signal);
        setSaid({ path, value, error: null });
      } catch (error) {
        if (error.name !== "AbortError") setSaid((before) => ({ ...before, error }));
      }
    }
    again();
    const timer = setInterval(again, EVERY);
    return () => {
      clearInterval(timer);
      ending.abort();
    };
  }, [path, seen, turn]);
  return { value: said.path === path ? said.value : null, error: said.error, again: () => setTurn(turn + 1) };
}
