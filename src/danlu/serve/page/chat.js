// A conversation with a model that holds one; a text that goes on with one that writes after a text.
import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { Copy, Heading, ModelChoice, Problem, submitKeys, useName } from "./parts.js";
import { asSettings, Ended, NO_SETTINGS, Settings, Spoken, useWritten } from "./writing.js";
import { t } from "./words.js";

export function Chat({ models }) {
  const [chosen, setChosen] = useState((models.find((model) => model.writes === "chat") ?? models[0])?.id);
  const model = models.find((each) => each.id === chosen) ?? models[0];
  if (!model) return html`<${Heading}>${t("chat")}</${Heading}><p>${t("none_writes")}</p>`;
  const View = model.writes === "chat" ? Conversation : GoesOn;
  return html`<${Heading} told=${model.writes === "chat" ? t("chat_told") : t("goes_on_told")}>${t("chat")}</${Heading}>
    <div class="card"><${ModelChoice} models=${models} value=${model.id} onChange=${setChosen} />
      <${View} key=${model.id} model=${model} /></div>`;
}

/** The messages of a conversation as a model gets them. */
export function messagesOf(system, said) {
  const first = system.trim() ? [{ role: "system", content: system }] : [];
  return [...first, ...said.map(({ role, content }) => ({ role, content }))];
}

function Conversation({ model }) {
  const [said, setSaid] = useState([]);
  const [settings, setSettings] = useState(NO_SETTINGS);
  const [draft, setDraft] = useState("");
  const written = useWritten();
  const field = useRef(null);

  async function send(event) {
    event.preventDefault();
    if (!draft.trim() || written.busy) return;
    const asked = [...said, { role: "user", content: draft }];
    setSaid(asked);
    setDraft("");
    const over = await written.start(model, { messages: messagesOf(settings.system, asked), ...asSettings(settings) });
    if (over === null) return;
    const { text, end, stopped, error } = over;
    if (error && !text) {
      setSaid(said); // what was not answered goes back to where it can be changed
      setDraft(draft);
    } else {
      setSaid([...asked, { role: "assistant", content: text, end, stopped }]);
    }
    field.current?.focus();
  }

  function reset() {
    written.clear();
    setSaid([]);
    field.current?.focus();
  }

  return html`<${Settings} value=${settings} onChange=${setSettings} system />
    <${Log} said=${said} written=${written} />
    <${Problem} error=${written.error} />
    <${Ask} label=${t("message")} action=${t("send")} draft=${draft} setDraft=${setDraft} written=${written} onSubmit=${send} field=${field}
      enter reset=${said.length || written.busy ? reset : null} />`;
}

/** What was said, and what is being said; spoken once it is over. */
export function Log({ said, written }) {
  const end = useRef(null);
  useEffect(() => {
    const box = end.current?.parentElement;
    if (box) box.scrollTop = box.scrollHeight;
  }, [said.length, written.text]);
  return html`<div class="log" role="log" aria-label=${t("conversation")} aria-busy=${written.busy} tabindex="0">
    ${said.length || written.busy ? null : html`<p class="quiet">${t("say_something")}</p>`}
    ${said.map((message, place) => html`<${Message} key=${place} ...${message} />`)}
    ${written.busy ? html`<${Message} role="assistant" content=${written.text} busy />` : null}
    <div ref=${end}></div></div><${Spoken} ...${written} />`;
}

function Message({ role, content, end, stopped, busy }) {
  return html`<article class=${`message ${role}`}>
    <h3>${role === "user" ? t("you") : t("the_model")}</h3>
    <p class="written" dir="auto">${content}${busy ? html`<span class="caret" aria-hidden="true"></span>` : null}</p>
    ${role === "assistant" && !busy ? html`<p class="facts"><${Copy} value=${content} /> <${Ended} end=${end} stopped=${stopped} /></p>` : null}
  </article>`;
}

/** The field below, with the buttons. */
export function Ask({ label, action, draft, setDraft, written, onSubmit, field, enter, reset, rows = 3 }) {
  const name = useName();
  const keys = (event) => {
    if (enter && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.target.form?.requestSubmit();
    } else submitKeys(event);
  };
  return html`<form onSubmit=${onSubmit}>
    <div class="field"><label for=${name}>${label}</label>
      <textarea id=${name} ref=${field} rows=${rows} dir="auto" value=${draft} required onKeyDown=${keys}
        onInput=${(event) => setDraft(event.target.value)}></textarea></div>
    <div class="buttons">
      <button type="submit" class="main" disabled=${written.busy}>${action}</button>
      ${written.busy ? html`<button type="button" onClick=${written.stop}>${t("stop")}</button>` : null}
      ${reset ? html`<button type="button" class="small" onClick=${reset}>${t("reset")}</button>` : null}
      <span class="quiet keys">${enter ? t("keys_chat") : t("keys_send")}</span>
    </div></form>`;
}

function GoesOn({ model }) {
  const [settings, setSettings] = useState(NO_SETTINGS);
  const [draft, setDraft] = useState("");
  const [asked, setAsked] = useState("");
  const written = useWritten();
  function send(event) {
    event.preventDefault();
    setAsked(draft);
    written.start(model, { prompt: draft, ...asSettings(settings) });
  }
  const shown = written.text || written.busy || written.end || written.stopped;
  return html`<${Settings} value=${settings} onChange=${setSettings} />
    <${Ask} label=${t("beginning")} action=${t("go_on")} draft=${draft} setDraft=${setDraft} written=${written} onSubmit=${send} rows="5"
      reset=${shown ? () => written.clear() : null} />
    <${Problem} error=${written.error} />
    ${shown ? html`<section class="goes-on" aria-label=${t("answer")} aria-live="polite" aria-busy=${written.busy}>
      <p class="written" dir="auto">${model.answers === "text" ? null : html`<span class="quiet">${asked}</span>`}<ins>${written.text}</ins>${written.busy ? html`<span class="caret" aria-hidden="true"></span>` : null}</p>
      ${written.busy ? null : html`<p class="facts"><${Copy} value=${written.text} /> <${Ended} ...${written} /></p>`}
    </section>` : null}<${Spoken} ...${written} />`;
}
