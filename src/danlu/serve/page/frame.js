// The frame of a page: its views, its language and light, and the key where the server wants one.
import { html, render, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { useKey, whenKeyWanted } from "./api.js";
import { Problem } from "./parts.js";
import { kept, keep, language, learn, speak, t } from "./words.js";

const LIGHTS = ["auto", "light", "dark"];

/**
 * Show a page. `views` are components by name, which is a word too and the first part of the address behind #; each is
 * given `seen`, what `load` has come to, as `loaded`, and the parts of the address behind its name, as `at`.
 * `links` stand below. `words` are those that the page has beside the common ones, and `style` is a file of the page with its own rules.
 */
export function frame({ name = "danlu", words = {}, style = null, views, load = async () => true, waiting = "loading", links = [] }) {
  learn(words);
  if (style) {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: new URL(style, import.meta.url).href });
    document.head.append(link);
  }
  render(html`<${Frame} ...${{ name, views, load, waiting, links }} />`, document.getElementById("app"));
}

function Frame({ name, views, load, waiting, links }) {
  const names = Object.keys(views);
  const [address, setAddress] = useState(location.hash);
  const [first, ...at] = parts(address);
  const view = first in views ? first : names[0];
  const [said, setSaid] = useState(language());
  const [light, setLight] = useState(kept("light") ?? "auto");
  const [loaded, setLoaded] = useState(null);
  const [error, setError] = useState(null);
  const [keyWanted, setKeyWanted] = useState(null);
  const main = useRef(null);
  const seen = useRef(view);

  async function again() {
    try {
      setLoaded(await load());
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }
  useEffect(() => {
    whenKeyWanted((told) => setKeyWanted(told || ""));
    again();
    addEventListener("hashchange", () => setAddress(location.hash));
  }, []);
  useEffect(() => {
    document.documentElement.lang = said;
    document.title = `${name} · ${t(view)}`;
  }, [said, view]);
  useEffect(() => {
    document.documentElement.dataset.light = light;
  }, [light]);
  useEffect(() => {
    // a reader hears where a link has led; what is first shown leaves the focus where the browser begins
    if (seen.current !== view) main.current.querySelector("section:not([hidden]) h2")?.focus();
    seen.current = view;
  }, [view]);

  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>${t("skip")}</a>
    <header><h1>${name}</h1>
      <nav aria-label=${t("views")}>${names.map((each) => html`<a href=${`#${each}`} aria-current=${view === each ? "page" : null}>${t(each)}</a>`)}</nav>
      <div class="switches">
        <button type="button" class="small" lang=${said === "zh" ? "en" : "zh"} onClick=${() => setSaid(speak(said === "zh" ? "en" : "zh"))}>${said === "zh" ? "English" : "中文"}</button>
        <label><span class="unseen">${t("light")}</span><select value=${light} onChange=${(event) => { setLight(event.target.value); keep("light", event.target.value); }}>
          ${LIGHTS.map((each) => html`<option value=${each} selected=${each === light}>${t(`light_${each}`)}</option>`)}</select></label>
      </div></header>
    <main id="main" ref=${main} tabindex="-1">
      ${keyWanted === null ? null : html`<${KeyForm} told=${keyWanted} onKey=${(key, stays) => { useKey(key, stays); setKeyWanted(null); again(); }} />`}
      ${error && keyWanted === null ? html`<${Problem} error=${error} /><button type="button" onClick=${again}>${t("again")}</button>` : null}
      ${loaded === null && !error ? html`<p class="quiet" role="status">${t(waiting)}</p>` : null}
      ${loaded === null ? null : Object.entries(views).map(([each, View]) => html`<section key=${each} hidden=${view !== each} class="view" id=${`view-${each}`}>
        <${View} loaded=${loaded} seen=${view === each} at=${view === each ? at : []} /></section>`)}
    </main>
    <footer class="quiet">${[...links, "openapi.json", "metrics", "health/ready"].map((each) => html`<a href=${each}>${each}</a> `)}</footer>`;
}

/** The parts of an address behind #; one that nobody could have made is nothing. */
function parts(address) {
  try {
    return address.slice(1).split("/").map(decodeURIComponent);
  } catch {
    return [""];
  }
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
