// Bundles: what there are, and one of them tried, explained, made smaller, verified.
import { html, useEffect, useState } from "./vendor/htm-preact.js";
import { ask } from "./api.js";
import { Background, Labelled, Made, bytes, useBackground } from "./background.js";
import { Chat } from "./chat.js";
import { useData } from "./data.js";
import { Heading, Problem, useName } from "./parts.js";
import { Predict } from "./predict.js";
import { number, t } from "./words.js";

const METHODS = ["integrated_gradients", "gradient_input", "occlusion", "shap", "attention", "rollout"];
const TARGETS = ["throughput", "latency", "size"];

export function Bundles({ seen, at }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const [address, setAddress] = useState(null);
  useEffect(() => {
    if (!seen) return;
    setAddress(at[0] || null);
    ask("v1/bundles").then((told) => { setFound(told); setError(null); }, setError);
  }, [seen, at.join("/")]);
  const chosen = found?.bundles.find((each) => each.address === address);
  return html`<div class="top"><${Heading} told=${chosen ? null : t("bundles_told")}>${chosen ? chosen.name : t("bundles")}</${Heading}></div>
    <${Problem} error=${error} />
    ${!found && !error ? html`<p class="quiet" role="status">${t("loading_bundles")}</p>` : null}
    ${found && address && !chosen ? html`<p class="problem" role="alert">${t("no_bundle_there")}</p>` : null}
    <div class="chosen">${chosen ? html`<${One} key=${address} bundle=${chosen} />` : found ? html`<${List} ...${found} />` : null}</div>`;
}

const toBundle = (address) => `#bundles/${encodeURIComponent(address)}`;

function List({ bundles, open }) {
  if (!bundles.length) return html`<p class="card">${t("no_bundles")}</p>`;
  return html`<div class="card wide"><table><thead><tr><th>${t("bundle")}</th><th>${t("task")}</th><th>${t("scores")}</th><th class="count">${t("size")}</th><th>${t("computes_in")}</th><th>${t("adapters")}</th></tr></thead>
    <tbody>${bundles.map((each) => html`<tr key=${each.address}><td><a dir="auto" href=${toBundle(each.address)}>${each.name}</a>${open.includes(each.address) ? html` <span class="quiet">${t("is_open")}</span>` : null}</td>
      ${each.wrong ? html`<td colspan="5" class="bad" dir="auto">${each.wrong}</td>` : html`<td>${each.task}</td>
      <td>${Object.entries(each.scores).slice(0, 3).map(([name, value]) => html`<span class="score">${name} ${number(value, "exact")}</span> `)}</td>
      <td class="count">${bytes(each.size)}</td><td>${each.engine.kind} ${each.engine.precision}</td><td dir="auto">${each.adapters.join(", ")}</td>`}</tr>`)}</tbody></table></div>`;
}

function One({ bundle }) {
  const [model, setModel] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  async function open() {
    setBusy(true);
    try {
      const told = await ask("v1/open", { bundle: bundle.address });
      setModel((await ask("v1/models")).data.find((each) => each.id === told.model) ?? null);
      setError(null);
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }
  if (bundle.wrong) return html`<p><a href="#bundles">← ${t("all_bundles")}</a></p><p class="problem" dir="auto">${bundle.wrong}</p>`;
  return html`<p><a href="#bundles">← ${t("all_bundles")}</a></p><${Told} bundle=${bundle} />
    <${Problem} error=${error} />
    ${model ? html`<div class="tried">${model.writes ? html`<${Chat} models=${[model]} seen />` : html`<${Predict} models=${[model]} />`}</div>`
      : html`<p><button type="button" class="main" disabled=${busy} onClick=${open}>${t(busy ? "opening_bundle" : "try_it")}</button> <span class="quiet">${t("two_open")}</span></p>`}
    <${Explain} bundle=${bundle} model=${model} /><${Compress} bundle=${bundle} /><${Verify} bundle=${bundle} />`;
}

function Told({ bundle }) {
  const facts = [
    [t("task"), bundle.task], [t("labels"), bundle.labels ? number(bundle.labels) : null], [t("size"), bytes(bundle.size)],
    [t("computes_in"), `${bundle.engine.kind} ${bundle.engine.precision}`], [t("adapters"), bundle.adapters.join(", ")], [t("serves"), bundle.serves], [t("base"), bundle.base],
    ...Object.entries(bundle.scores).map(([name, value]) => [name, number(value, "exact")]), ...Object.entries(bundle.made).map(([name, value]) => [name, typeof value === "number" ? number(value, "exact") : value.slice(0, name === "fingerprint" ? 12 : 400)]),
  ];
  return html`<dl class="facts-of card">${facts.filter(([, value]) => value).map(([name, value]) => html`<div><dt dir="auto">${name}</dt><dd dir="auto">${value}</dd></div>`)}</dl>`;
}

function Explain({ bundle, model }) {
  const [text, setText] = useState("");
  const [method, setMethod] = useState(METHODS[0]);
  const [wrong, setWrong] = useState(null);
  const explaining = useBackground();
  const names = [useName(), useName()];
  const plain = !model || model.reads.join() === "text";
  function begin(event) {
    event.preventDefault();
    setWrong(null);
    try {
      const record = text.trimStart().startsWith("{") || !plain ? JSON.parse(text) : { text };
      explaining.begin("v1/explain", { bundle: bundle.address, record, method });
    } catch (problem) {
      setWrong(`${t("not_json")} ${problem.message}`);
    }
  }
  return html`<section class="card"><h3>${t("explain")}</h3><p class="quiet">${t("explain_told")}</p><form onSubmit=${begin}>
    <${Labelled} name=${names[0]} label=${t("text_or_json")}><textarea id=${names[0]} rows="3" dir="auto" required value=${text} onInput=${(event) => setText(event.target.value)}></textarea></${Labelled}>
    ${model && !plain ? html`<button type="button" class="chip" onClick=${() => setText(JSON.stringify(model.samples[0], null, 1))}>${t("samples")}</button>` : null}
    <${Labelled} name=${names[1]} label=${t("method")}><select id=${names[1]} onChange=${(event) => setMethod(event.target.value)}>${METHODS.map((each) => html`<option value=${each} selected=${each === method}>${each}</option>`)}</select></${Labelled}>
    ${wrong ? html`<p class="problem" role="alert">${wrong}</p>` : null}
    <div class="buttons"><button type="submit" disabled=${explaining.busy}>${t("explain")}</button></div></form>
    <${Background} ...${explaining} /></section><${Made} job=${explaining.job} title=${t("explain")} />`;
}

function Compress({ bundle }) {
  const { found } = useData(true);
  const metric = Object.keys(bundle.scores)[0] ?? "accuracy";
  const [asked, setAsked] = useState({ floor: `${metric} -0.5`, target: TARGETS[0], rungs: "", train_again: false, out: bundle.name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "bundle" });
  const compressing = useBackground();
  const names = [useName(), useName(), useName(), useName(), useName()];
  const put = (name) => (event) => setAsked({ ...asked, [name]: event.target.value });
  const data = asked.data || found?.data[0]?.address;
  return html`<section class="card"><h3>${t("compress")}</h3><p class="quiet">${t("compress_told")}</p>
    <form onSubmit=${(event) => { event.preventDefault(); compressing.begin("v1/compress", { ...asked, data, bundle: bundle.address }); }}><div class="row">
      <${Labelled} name=${names[0]} label=${t("data_with_truth")}><select id=${names[0]} required onChange=${put("data")}>${found?.data.map((each) => html`<option value=${each.address} selected=${each.address === data}>${each.name}</option>`)}</select></${Labelled}>
      <${Labelled} name=${names[1]} label=${t("floor")} hint=${t("floor_hint")}><input id=${names[1]} type="text" required value=${asked.floor} onInput=${put("floor")} /></${Labelled}>
      <${Labelled} name=${names[2]} label=${t("gain")}><select id=${names[2]} onChange=${put("target")}>${TARGETS.map((each) => html`<option value=${each} selected=${each === asked.target}>${t(`gain_${each}`)}</option>`)}</select></${Labelled}>
      <${Labelled} name=${names[3]} label=${t("rungs")} hint=${t("rungs_hint")}><input id=${names[3]} type="text" value=${asked.rungs} onInput=${put("rungs")} /></${Labelled}>
      <${Labelled} name=${names[4]} label=${t("out")} hint=${t("out_hint")}><input id=${names[4]} type="text" required value=${asked.out} onInput=${put("out")} /></${Labelled}></div>
      <p><label><input type="checkbox" checked=${asked.train_again} onChange=${(event) => setAsked({ ...asked, train_again: event.target.checked })} /> ${t("train_again")}</label></p>
      <div class="buttons"><button type="submit" disabled=${compressing.busy || !data}>${t("compress")}</button></div></form>
    <${Background} ...${compressing} /></section><${Made} job=${compressing.job} title=${t("compress")} />`;
}

function Verify({ bundle }) {
  const verifying = useBackground();
  return html`<section class="card"><h3>${t("verify")}</h3><p class="quiet">${t("verify_told")}</p>
    <div class="buttons"><button type="button" disabled=${verifying.busy} onClick=${() => verifying.begin("v1/verify", { bundle: bundle.address })}>${t("verify")}</button></div>
    <${Background} ...${verifying} />${verifying.job?.state === "done" ? html`<p class="good" dir="auto">${verifying.job.lines.at(-1)}</p>` : null}</section>`;
}
