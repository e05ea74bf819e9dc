// What the server is asked, and what it says; addresses are relative, so that a proxy may put it below a path.

import { language } from "./words.js";

const PLACE = "danlu-key";
let key = "";
let wanted = () => {};

try {
  key = sessionStorage.getItem(PLACE) || "";
} catch {
  // a browser that keeps nothing
}

/** A refusal of the server: its sentence, its reason for programs, its status (0: it was not reached). */
export class Told extends Error {
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Call a function whenever the server wants a key that it did not get. */
export function whenKeyWanted(call) {
  wanted = call;
}

/** Use a key from now on; it is kept until the tab is closed only if that is asked for. */
export function useKey(given, keep) {
  key = given.trim();
  try {
    if (keep && key) sessionStorage.setItem(PLACE, key);
    else sessionStorage.removeItem(PLACE);
  } catch {
    // then it is kept in memory alone
  }
}

async function send(path, body, signal) {
  const headers = { "Accept-Language": language(), ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const settings = { headers, signal, cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(settings, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(path, settings);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Told(String(error.message || error), "not_reached", 0);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  const error = said?.error ?? {};
  if (answer.status === 401) wanted(error.message);
  throw new Told(error.translated || error.message || `${answer.status} ${answer.statusText}`, error.code || "", answer.status);
}

export async function ask(path, body, signal) {
  return (await send(path, body, signal)).json();
}

export async function text(path) {
  return (await send(path)).text();
}

/** Whether the server is ready, and what it says of that. */
export async function readiness() {
  const answer = await fetch("health/ready", { cache: "no-store" });
  return answer.json();
}

/** The values of a stream of Server-Sent Events as they come. */
export async function* events(path, body, signal) {
  const answer = await send(path, body, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (waiting + value).split("\n\n");
      waiting = parts.pop();
      for (const part of parts) {
        const data = part.replace(/^data: ?/, "");
        if (data === "[DONE]") return;
        const said = JSON.parse(data);
        if (said.error) throw new Told(said.error.translated || said.error.message, said.error.code, 200);
        yield said;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Predictions of records, with the milliseconds that they took. */
export async function predict(model, records, signal) {
  const begun = performance.now();
  const body = { model: model.id, records };
  const answer = await ask("v1/predict", body, signal);
  return { model, records, answer, body, milliseconds: performance.now() - begun };
}

/** Let a model write; `take` gets each piece. Gives why it ended, what it cost, and the milliseconds. */
export async function write(model, asked, take, signal) {
  const begun = performance.now();
  const chat = model.writes === "chat";
  const body = { model: model.id, stream: true, stream_options: { include_usage: true }, ...asked };
  const end = { reason: null, usage: null, first: null };
  for await (const said of events(chat ? "v1/chat/completions" : "v1/completions", body, signal)) {
    end.usage = said.usage ?? end.usage;
    for (const choice of said.choices) {
      if (choice.index !== 0) continue;
      end.reason = choice.finish_reason ?? end.reason;
      const piece = chat ? choice.delta.content : choice.text;
      if (!piece) continue;
      end.first ??= performance.now() - begun;
      take(piece);
    }
  }
  return { ...end, milliseconds: performance.now() - begun };
}
