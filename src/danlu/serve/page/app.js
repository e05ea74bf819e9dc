// The page: which view is seen, in which language and light, and the key where the server wants one.
import { html, render, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { ask, useKey, whenKeyWanted } from "./api.js";
import { Chat } from "./chat.js";
import { Compare } from "./compare.js";
import { Live } from "./live.js";
import { Problem } from "./parts.js";
import { Predict } from "./predict.js";
import { kept, keep, language, speak, t } from "./words.js";

const VIEWS = { predict: Predict, chat: Chat, compare: Compare, live: Live };
const LIGHTS = ["auto", "light", "dark"];

const viewed = () => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "predict");

function App() {
  const [view, setView] = useState(viewed());
  const [said, setSaid] = useState(language());
  const [light, setLight] = useState(kept("light") ?? "auto");
  const [models, setModels] = useState(null);
  const [error, setError] = useState(null);
  const [keyWanted, setKeyWanted] = useState(null);
  const main = useRef(null);
  const seen = useRef(view);

  async function load() {
    try {
      setModels((await ask("v1/models")).data);
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }
  useEffect(() => {
    whenKeyWanted((told) => setKeyWanted(told || ""));
    load();
    addEventListener("hashchange", () => setView(viewed()));
  }, []);
  useEffect(() => {
    document.documentElement.lang = said;
    document.title = `danlu · ${t(view)}`;
  }, [said, view]);
  useEffect(() => {
    document.documentElement.dataset.light = light;
  }, [light]);
  useEffect(() => {
    // a reader hears where a link has led; what is first shown leaves the focus where the browser begins
    if (seen.current !== view) main.current.querySelector("section:not([hidden]) h2")?.focus();
    seen.current = view;
  }, [view]);

  const writers = (models ?? []).filter((model) => model.writes);
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>${t("skip")}</a>
    <header><h1>danlu</h1>
      <nav aria-label=${t("views")}>${Object.keys(VIEWS).map((name) => html`<a href=${`#${name}`} aria-current=${view === name ? "page" : null}>${t(name)}</a>`)}</nav>
      <div class="switches">
        <button type="button" class="small" lang=${said === "zh" ? "en" : "zh"} onClick=${() => setSaid(speak(said === "zh" ? "en" : "zh"))}>${said === "zh" ? "English" : "中文"}</button>
        <label><span class="unseen">${t("light")}</span><select value=${light} onChange=${(event) => { setLight(event.target.value); keep("light", event.target.value); }}>
          ${LIGHTS.map((name) => html`<option value=${name} selected=${name === light}>${t(`light_${name}`)}</option>`)}</select></label>
      </div></header>
    <main id="main" ref=${main} tabindex="-1">
      ${keyWanted === null ? null : html`<${KeyForm} told=${keyWanted} onKey=${(key, stays) => { useKey(key, stays); setKeyWanted(null); load(); }} />`}
      ${error && keyWanted === null ? html`<${Problem} error=${error} /><button type="button" onClick=${load}>${t("again")}</button>` : null}
      ${models === null && !error ? html`<p class="quiet" role="status">${t("loading")}</p>` : null}
      ${models?.length ? Object.entries(VIEWS).map(([name, View]) => html`<section key=${name} hidden=${view !== name} class="view" id=${`view-${name}`}>
        <${View} models=${name === "chat" ? writers : models} seen=${view === name} /></section>`) : null}
    </main>
    <footer class="quiet"><a href="openapi.json">openapi.json</a> <a href="metrics">metrics</a> <a href="health/ready">health/ready</a></footer>`;
}

function KeyForm({ told, onKey }) {
  const [key, setKey] = useState("");
  const [stays, setStays] = useState(false);
  return html`<form class="card" onSubmit=${(event) => { event.preventDefault(); onKey(key, stays); }}>
    <h2>${t("key_wanted")}</h2><p role="alert">${told}</p>
    <div class="field"><label for="key">${t("key")}</label>
      <input id="key" type="password" autocomplete="off" spellcheck=${false} required pattern="[!-~]+" value=${key} onInput=${(event) => setKey(event.target.value)} /></div>
    <p><label><input type="checkbox" checked=${stays} onChange=${(event) => setStays(event.target.checked)} /> ${t("key_stays")}</label></p>
    <button type="submit" class="main">${t("key_use")}</button></form>`;
}

render(html`<${App} />`, document.getElementById("app"));
