// Customer service for a website: <script src="https://THE-SERVER/widget.js" defer></script>
// data-language="zh" or "en" chooses the language; without it, that of the page. All texts are put in as text.
(() => {
  "use strict";
  const script = document.currentScript;
  const place = new URL(".", script.src).href;
  const told = script.dataset.language || document.documentElement.lang || navigator.language || "en";
  const zh = told.toLowerCase().startsWith("zh");
  const WORDS = {
    open: ["Questions?", "在线客服"],
    title: ["Customer service", "在线客服"],
    close: ["Close", "关闭"],
    ask: ["Your question", "您的问题"],
    send: ["Send", "发送"],
    person: ["Ask a person", "转人工"],
    you: ["You", "您"],
    us: ["Service", "客服"],
    right: ["This helps", "有帮助"],
    wrong: ["This does not help", "没帮助"],
    thanks: ["Thank you.", "感谢您的反馈。"],
    hello: ["Hello! What would you like to know?", "您好！请问有什么可以帮您？"],
    waiting: ["One moment …", "请稍候……"],
    unknown: ["Please ask your question first.", "请先写下您的问题。"],
    failed: ["This could not be sent. Please try again.", "发送失败，请重试。"],
    busy: ["Too many questions at once. Please wait a minute.", "提问过于频繁，请一分钟后再试。"],
  };
  const t = (name) => WORDS[name][zh ? 1 : 0];
  const KEPT = "danlu-widget-session";
  let session = null;
  try {
    session = sessionStorage.getItem(KEPT);
  } catch {
    // a browser that keeps nothing
  }

  const STYLE = `
    :host { all: initial; }
    * { box-sizing: border-box; font: 15px/1.5 system-ui, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
    .box { position: fixed; right: 16px; bottom: 16px; z-index: 2147483000; color: #25221d; }
    button { padding: 6px 12px; border: 1px solid #8d8676; border-radius: 6px; background: #fff; color: #25221d; cursor: pointer; }
    button:focus-visible, textarea:focus-visible { outline: 3px solid #2f6690; outline-offset: 2px; }
    .open, .send { border-color: #b23a26; background: #b23a26; color: #fff; }
    .open { padding: 10px 18px; border-radius: 24px; box-shadow: 0 2px 10px #0003; }
    .panel { display: flex; flex-direction: column; width: min(360px, calc(100vw - 32px)); height: min(520px, calc(100vh - 32px)); border: 1px solid #ddd7cb; border-radius: 12px; background: #fbfaf7; box-shadow: 0 6px 30px #0004; overflow: hidden; }
    [hidden] { display: none !important; }
    .head { display: flex; align-items: center; justify-content: space-between; padding: 8px 12px; border-bottom: 1px solid #ddd7cb; background: #fff; }
    .head h2 { margin: 0; font-weight: 640; font-size: 16px; }
    .log { flex: 1; overflow-y: auto; padding: 8px 12px; }
    .said { margin: 8px 0; }
    .who { margin: 0; font-size: 12px; color: #6a6459; }
    .text { margin: 2px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
    .said.you .text { padding: 6px 10px; border-radius: 8px; background: #f4efe6; }
    .judge { display: flex; gap: 6px; margin-top: 4px; }
    .judge button { padding: 1px 8px; font-size: 13px; }
    form { display: flex; flex-direction: column; gap: 6px; padding: 8px 12px 12px; border-top: 1px solid #ddd7cb; background: #fff; }
    textarea { width: 100%; padding: 6px 8px; border: 1px solid #8d8676; border-radius: 6px; resize: none; background: #fff; color: #25221d; }
    .row { display: flex; justify-content: space-between; gap: 6px; }
    label { font-size: 13px; }`;

  function made(name, settings = {}, ...children) {
    const found = document.createElement(name);
    for (const [key, value] of Object.entries(settings)) {
      if (key.startsWith("on")) found.addEventListener(key.slice(2), value);
      else found.setAttribute(key, value);
    }
    found.append(...children);
    return found;
  }

  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const log = made("div", { class: "log", role: "log", "aria-label": t("title"), tabindex: "0" });
  const field = made("textarea", { id: "ask", rows: "2", maxlength: "4000", required: "", dir: "auto", onkeydown: keys });
  const person = made("button", { type: "button", class: "person", onclick: wanted }, t("person"));
  const form = made("form", { onsubmit: sent }, made("label", { for: "ask" }, t("ask")), field,
    made("div", { class: "row" }, person, made("button", { type: "submit", class: "send" }, t("send"))));
  const close = made("button", { type: "button", "aria-label": t("close"), onclick: () => shown(false) }, "×");
  const panel = made("section", { class: "panel", role: "dialog", "aria-label": t("title"), onkeydown: (event) => event.key === "Escape" && shown(false) },
    made("div", { class: "head" }, made("h2", {}, t("title")), close), log, form);
  const open = made("button", { type: "button", class: "open", "aria-expanded": "false", onclick: () => shown(true) }, t("open"));
  const box = made("div", { class: "box", lang: zh ? "zh" : "en" }, open, panel);
  panel.hidden = true;
  person.hidden = session === null;
  root.append(box);
  document.body.append(host);
  say("us", t("hello"));

  function shown(yes) {
    panel.hidden = !yes;
    open.hidden = yes;
    open.setAttribute("aria-expanded", String(yes));
    (yes ? field : open).focus();
  }

  function keys(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  }

  function say(who, text, turn) {
    const message = made("div", { class: `said ${who}` }, made("p", { class: "who" }, t(who)), made("p", { class: "text", dir: "auto" }, text));
    if (turn) message.append(judge(turn));
    log.append(message);
    log.scrollTop = log.scrollHeight;
    return message;
  }

  function judge(turn) {
    const row = made("div", { class: "judge" });
    for (const verdict of ["right", "wrong"]) {
      row.append(made("button", { type: "button", onclick: async () => {
        for (const each of row.children) each.disabled = true;
        try {
          await asked("widget/judge", { turn, verdict });
          row.replaceChildren(made("span", { class: "who", role: "status" }, t("thanks")));
        } catch (error) {
          for (const each of row.children) each.disabled = false;
          say("us", t(error.status === 429 ? "busy" : "failed"));
        }
      } }, t(verdict)));
    }
    return row;
  }

  async function asked(path, body) {
    const answer = await fetch(place + path, {
      method: "POST", mode: "cors", credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer",
      headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    if (!answer.ok) throw Object.assign(new Error(), { status: answer.status });
    return answer.json();
  }

  async function exchanged(path, body, again) {
    const waits = say("us", t("waiting"));
    log.setAttribute("aria-busy", "true");
    try {
      const answer = await asked(path, body);
      session = answer.session;
      person.hidden = false;
      try {
        sessionStorage.setItem(KEPT, session);
      } catch {
        // then it lasts as long as the page
      }
      waits.remove();
      say("us", answer.text, answer.kind === "person" ? null : answer.turn);
    } catch (error) {
      waits.remove();
      again?.();
      const unknown = path === "widget/person" && error.status === 400; // forgotten at the server: only a question begins anew
      if (unknown) forgotten();
      say("us", t(unknown ? "unknown" : error.status === 429 ? "busy" : "failed"));
    } finally {
      log.removeAttribute("aria-busy");
      field.focus();
    }
  }

  function forgotten() {
    session = null;
    person.hidden = true;
    try {
      sessionStorage.removeItem(KEPT);
    } catch {
      // nothing was kept
    }
  }

  function sent(event) {
    event.preventDefault();
    const question = field.value.trim();
    if (!question || log.hasAttribute("aria-busy")) return;
    const mine = say("you", question);
    field.value = "";
    exchanged("widget/ask", { question, session, language: zh ? "zh" : "en" }, () => {
      mine.remove();
      field.value = question; // what was not answered goes back to where it can be sent again
    });
  }

  function wanted() {
    if (session !== null && !log.hasAttribute("aria-busy")) exchanged("widget/person", { session, language: zh ? "zh" : "en" });
  }
})();
