// What is asked of the server again and again while it is seen.
import { useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";

/** What a path says, the problem if there is one, and a function that asks at once; `path` null: nothing is asked. */
export function usePolled(path, seen, milliseconds) {
  const [said, setSaid] = useState({ path: null, value: null, error: null });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!seen || path === null) return undefined;
    const ending = new AbortController();
    let timer;
    async function again() {
      try {
        const value = document.hidden ? null : await ask(path, undefined, ending.signal);
        if (value !== null) setSaid({ path, value, error: null });
      } catch (error) {
        if (error.name !== "AbortError") setSaid((before) => ({ ...before, path, error }));
      }
      if (!ending.signal.aborted) timer = setTimeout(again, milliseconds);
    }
    again();
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [path, seen, milliseconds, turn]);
  const now = said.path === path;
  return { value: now ? said.value : null, error: now ? said.error : null, again: () => setTurn((each) => each + 1) };
}

export const address = (path, values) => `${path}?${new URLSearchParams(values)}`;
