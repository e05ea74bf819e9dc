// A conversation as a customer has it, with what who keeps the assistant sees beside it.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Judge } from "./judge.js";
import { Heading, Problem, useName } from "./parts.js";
import { language, number, t } from "./words.js";

export function Talk({ loaded }) {
  const [turns, setTurns] = useState([]);
  const [draft, setDraft] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const session = useRef(null);
  const field = useRef(null);
  const end = useRef(null);
  const name = useName();

  useEffect(() => {
    const box = end.current?.parentElement;
    if (box) box.scrollTop = box.scrollHeight;
  }, [turns.length, busy]);

  async function exchange(path, body, question) {
    setBusy(true);
    setError(null);
    try {
      const answer = await ask(path, body);
      session.current = answer.session;
      setTurns((before) => [...before, { question, answer }]);
      if (question) setDraft((now) => (now === question ? "" : now)); // what was typed since stays
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
    field.current?.focus();
  }
  function send(event) {
    event.preventDefault();
    if (draft.trim() && !busy) exchange("v1/ask", { question: draft, session: session.current, language: language() }, draft);
  }
  function reset() {
    session.current = null;
    setTurns([]);
    setError(null);
    field.current?.focus();
  }
  const keys = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.target.form?.requestSubmit();
    }
  };
  return html`<${Heading} told=${t("talk_told", { answers: number(loaded.answers), questions: number(loaded.questions) })}>${t("talk")}</${Heading}>
    <div class="card">
      <div class="log" role="log" aria-label=${t("conversation")} aria-busy=${busy} tabindex="0">
        ${turns.length || busy ? null : html`<p class="quiet">${t("begin")}</p>`}
        ${turns.map(({ question, answer }) => html`<${Exchange} key=${answer.turn} question=${question} answer=${answer} />`)}
        ${busy ? html`<p class="quiet" role="status">${t("asking")}</p>` : null}
        <div ref=${end}></div>
      </div>
      <${Problem} error=${error} />
      <form onSubmit=${send}>
        <div class="field"><label for=${name}>${t("question")}</label>
          <textarea id=${name} ref=${field} rows="2" dir="auto" maxlength="4000" required value=${draft} onKeyDown=${keys} onInput=${(event) => setDraft(event.target.value)}></textarea></div>
        <div class="buttons"><button type="submit" class="main" disabled=${busy}>${t("put_question")}</button>
          ${turns.length ? html`<button type="button" disabled=${busy} onClick=${() => exchange("v1/person", { session: session.current, language: language() }, null)}>${t("want_person")}</button>
            <button type="button" class="small" disabled=${busy} onClick=${reset}>${t("new_conversation")}</button>` : null}
          <span class="quiet keys">${t("keys")}</span></div>
      </form></div>`;
}

function Exchange({ question, answer }) {
  return html`${question ? html`<article class="message user"><h3>${t("customer")}</h3><p class="written" dir="auto">${question}</p></article>` : null}
    <article class="message assistant"><h3>${t("assistant")}</h3><p class="written" dir="auto">${answer.text}</p>
      <p class="facts quiet">${t(`kind_${answer.kind}`)}${answer.kind === "past" ? ` · ${t("how_sure", { share: number(answer.sure, "percent") })}` : ""}${answer.intent ? ` · ${t("about", { intent: answer.intent })}` : ""}</p>
      ${answer.cites.length ? html`<details><summary>${t("from")}</summary><${Past} entries=${answer.cites} /></details>` : null}
      ${answer.kind !== "past" && answer.nearest.length ? html`<details><summary>${t("nearest")}</summary><${Past} entries=${answer.nearest} /></details>` : null}
      <${Judge} turn=${answer.turn} kind=${answer.kind} nearest=${answer.nearest} /></article>`;
}

/** Past questions with their answers. */
export function Past({ entries }) {
  return html`<dl class="past">${entries.map((each) => html`<dt dir="auto">${each.question}</dt><dd class="written" dir="auto">${each.answer}</dd>`)}</dl>`;
}
