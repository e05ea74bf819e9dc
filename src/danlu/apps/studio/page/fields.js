// The form of a recipe, made of its schema: every key with its type, its default, its limits and what it means.
import { html, useState } from "./vendor/htm-preact.js";
import { useName } from "./parts.js";
import { asNumber, fieldsOf, isMapping, limitsOf, ofKind, shapeOf, shapes } from "./schema.js";
import { t } from "./words.js";

/** Fields for all keys of a section; `form` has the schema as `root`, `mistakes`, `stages`, and `edit` that changes the text. */
export function Section({ form, node, value, keys, left = [] }) {
  const given = isMapping(value) ? value : {};
  const fields = fieldsOf(form.root, node).filter(([name]) => !left.includes(name));
  const known = new Set([...fields.map(([name]) => name), ...left, "kind"]);
  const strange = Object.keys(given).filter((name) => !known.has(name));
  const mine = (name) => form.mistakes.some((each) => keys.concat(name).every((key, place) => each.keys[place] === key));
  const shown = fields.filter(([name, , needed]) => needed || name in given || mine(name));
  const others = fields.filter((each) => !shown.includes(each));
  const field = ([name, each, needed]) => html`<${Field} key=${name} ...${{ form, name, needed, node: each, value: given[name], keys: [...keys, name] }} />`;
  return html`<div class="section">${shown.map(field)}
    ${strange.map((name) => html`<${Field} key=${name} ...${{ form, name, node: {}, value: given[name], keys: [...keys, name] }} />`)}
    ${others.length ? html`<${Others} count=${others.length} names=${others.map(([name]) => name).join(", ")}>${() => others.map(field)}</${Others}>` : null}</div>`;
}

/** Keys that are not given and have a default; made when they are looked at, for there are hundreds. */
function Others({ count, names, children }) {
  const [open, setOpen] = useState(false);
  return html`<details onToggle=${(event) => setOpen(event.target.open)}><summary>${t("other_keys", { count })} <span class="quiet names">${names}</span></summary>${open ? children() : null}</details>`;
}

/** One key: what it is called and means, what it holds, and what is wrong with it. */
function Field({ form, name, node, value, keys, needed }) {
  const id = useName();
  const all = shapes(form.root, node);
  const [chosen, setChosen] = useState(null);
  const ways = all.filter(({ sort }) => sort !== "nothing");
  const shape = value === undefined && chosen !== null ? ways[chosen] : shapeOf(all, value);
  const told = form.mistakes.filter((each) => each.keys.length === keys.length && each.keys.every((key, place) => key === keys[place]));
  const types = [...new Set(all.map(({ sort }) => t(`sort_${sort}`)))].join(" / ");
  const standard = "default" in node && !isMapping(node.default) ? `${t("default")} ${written(node.default)}` : null;
  const within = ["section", "map", "list", "part"].includes(shape.sort);
  const head = html`<code dir="auto">${name}</code> <span class="quiet">${[needed ? t("needed") : null, types, ...limitsOf(node), standard].filter(Boolean).join(" · ")}</span>`;
  return html`<div class=${`field key ${told.length ? "wrong" : ""}`} role=${within ? "group" : null} aria-labelledby=${within ? id : null}>
    <div class="key-head">${within ? html`<span class="label" id=${id}>${head}</span>` : html`<label for=${id}>${head}</label>`}
      ${ways.length > 1 ? html`<select class="small" aria-label=${t("as_what", { name })} onChange=${(event) => { setChosen(+event.target.value); if (value !== undefined) form.edit("remove", keys); }}>
        ${ways.map((each, place) => html`<option value=${place} selected=${each === shape}>${t(`sort_${each.sort}`)}</option>`)}</select>` : null}
      ${value !== undefined ? html`<button type="button" class="small" aria-label=${t("leave_key", { name })} onClick=${() => form.edit("remove", keys)}>×</button>` : null}</div>
    ${node.description ? html`<p class="hint">${node.description}</p>` : null}
    ${told.map((each) => html`<p class="problem" role="alert" dir="auto">${each.told}</p>`)}
    <${Value} ...${{ form, id, shape, value, keys, needed, standard: node.default }} /></div>`;
}

function Value({ form, id, shape, value, keys, needed, standard }) {
  const set = (given) => form.edit("set", keys, given);
  const unset = () => (value === undefined ? null : form.edit("remove", keys));
  const { sort, node } = shape;
  if (sort === "part") return html`<${PartOf} ...${{ form, kinds: shape.kinds, value, keys, set, unset, needed, standard }} />`;
  if (sort === "section") return html`<${Section} form=${form} node=${node} value=${value} keys=${keys} />`;
  if (sort === "list") return html`<${List} ...${{ form, node, value, keys, set }} />`;
  if (sort === "map") return html`<${Mapping} ...${{ form, node, value, keys }} />`;
  if (sort === "choice" || sort === "flag") {
    const choices = sort === "flag" ? [true, false] : node.enum;
    const there = choices.includes(value);
    return html`<select id=${id} onChange=${(event) => (event.target.value === "" ? unset() : set(choices[+event.target.value]))}>
      <option value="" selected=${!there}>${value !== undefined && !there ? written(value) : needed ? t("choose_one") : t("not_given")}</option>
      ${choices.map((each, place) => html`<option value=${place} selected=${there && each === value}>${written(each)}</option>`)}</select>`;
  }
  if (sort === "stage") {
    const names = form.stages.flatMap((name) => [`@${name}`, `@${name}:train`, `@${name}:validation`, `@${name}:test`]);
    return html`<input id=${id} type="text" dir="auto" list=${`${id}-stages`} value=${value ?? ""} placeholder="@…" onChange=${(event) => (event.target.value ? set(event.target.value) : unset())} />
      <datalist id=${`${id}-stages`}>${names.map((name) => html`<option value=${name}></option>`)}</datalist>`;
  }
  if (sort === "text") {
    const Tag = typeof value === "string" && /\n/.test(value) ? "textarea" : "input";
    return html`<${Tag} id=${id} type="text" dir="auto" spellcheck=${false} value=${spelled(value)} placeholder=${standard ?? ""} onChange=${(event) => (event.target.value === "" && !needed ? unset() : set(event.target.value))} />`;
  }
  if (sort === "number") {
    return html`<input id=${id} type="text" inputmode="decimal" value=${spelled(value)} placeholder=${standard ?? ""} onChange=${(event) => (event.target.value.trim() === "" ? unset() : set(asNumber(event.target.value)))} />`;
  }
  if (sort === "nothing") return html`<p class="quiet">${t("sort_nothing")}</p>`;
  return html`<input id=${id} type="text" class="code" dir="auto" spellcheck=${false} value=${spelled(value)} onChange=${(event) => set(fromJson(event.target.value))} />`;
}

function PartOf({ form, kinds, value, keys, set, unset, needed, standard }) {
  const id = useName();
  const kind = typeof value === "string" ? value : isMapping(value) ? value.kind : undefined;
  const ofDefault = isMapping(standard) ? standard.kind : undefined;
  const known = kind in kinds;
  return html`<div class="part"><label class="unseen" for=${id}>${t("kind_of", { name: keys.at(-1) })}</label>
    <select id=${id} onChange=${(event) => (event.target.value === "" ? unset() : set(ofKind(kinds, event.target.value, value)))}>
      <option value="" selected=${kind === undefined}>${ofDefault ? `${t("not_given")} (${ofDefault})` : needed ? t("choose_one") : t("not_given")}</option>
      ${kind !== undefined && !known ? html`<option value=${kind} selected>${written(kind)}</option>` : null}
      ${Object.keys(kinds).map((each) => html`<option value=${each} selected=${each === kind}>${each}</option>`)}</select>
    ${known ? html`<p class="hint">${kinds[kind].description}</p><${Section} key=${kind} form=${form} node=${kinds[kind]} value=${value} keys=${keys} />` : null}</div>`;
}

function List({ form, node, value, keys, set }) {
  const items = Array.isArray(value) ? value : [];
  const all = shapes(form.root, node.items ?? {});
  return html`<div class="list">${items.map((item, place) => html`<${Field} key=${`${place} ${items.length}`} ...${{ form, name: `${place + 1}.`, node: node.items ?? {}, value: item, keys: [...keys, place] }} />`)}
    <button type="button" class="small" onClick=${() => (value === undefined ? set([fresh(all[0])]) : form.edit("set", [...keys, items.length], fresh(all[0])))}>${t("add_entry")}</button></div>`;
}

function Mapping({ form, node, value, keys }) {
  const [name, setName] = useState("");
  const id = useName();
  const given = isMapping(value) ? value : {};
  const inner = isMapping(node.additionalProperties) ? node.additionalProperties : {};
  const add = () => {
    form.edit("set", [...keys, name], fresh(shapes(form.root, inner)[0]));
    setName("");
  };
  return html`<div class="list">${Object.entries(given).map(([key, item]) => html`<${Field} key=${key} ...${{ form, name: key, node: inner, value: item, keys: [...keys, key] }} />`)}
    <div class="adding"><label class="unseen" for=${id}>${t("new_key", { name: keys.at(-1) })}</label><input id=${id} type="text" dir="auto" value=${name} placeholder=${t("name_of_key")} onInput=${(event) => setName(event.target.value)} />
    <button type="button" class="small" disabled=${!name || name in given} onClick=${add}>${t("add_entry")}</button></div></div>`;
}

/** What a new entry of a list or mapping begins with. */
function fresh({ sort, node, kinds }) {
  if (sort === "part") return { kind: Object.keys(kinds)[0] };
  if (sort === "choice") return node.enum[0];
  return { flag: false, number: 0, list: [], section: {}, map: {}, stage: "@", nothing: null }[sort] ?? "";
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const spelled = (value) => (value === undefined ? "" : written(value));

/** A value of any sort, as it is typed: JSON where it is that, else the text. */
function fromJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
