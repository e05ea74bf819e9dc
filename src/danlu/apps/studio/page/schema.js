// The JSON Schema of recipes, as far as recipes use it: what a value may be, which of that it is, and how people are told.

/** What a node of a schema refers to, with what stands beside the reference. */
export function resolved(root, node) {
  if (!node?.$ref) return node;
  const { $ref, ...beside } = node;
  const found = resolved(root, root.$defs[$ref.split("/").at(-1)]);
  return { ...found, ...beside, required: found.required };
}

/**
 * What a value may be: `nothing`, `stage` (a reference), `part` (with `kinds`), `choice`, `flag`, `number`, `text`, `list`,
 * `section`, `map` or `any`, each with the node that says more of it.
 */
export function shapes(root, given) {
  const node = resolved(root, given);
  const kinds = kindsOf(root, node);
  if (kinds) return [{ sort: "part", node, kinds }];
  if (node.anyOf) return node.anyOf.flatMap((each) => shapes(root, each));
  if (node.enum) return [{ sort: "choice", node }];
  if (node.type === "null") return [{ sort: "nothing", node }];
  if (node.type === "boolean") return [{ sort: "flag", node }];
  if (node.type === "integer" || node.type === "number") return [{ sort: "number", node }];
  if (node.type === "array") return [{ sort: "list", node }];
  if (node.type === "string") return [{ sort: node.pattern?.startsWith("^@") ? "stage" : "text", node }];
  if (node.type === "object") return [{ sort: node.properties ? "section" : "map", node }];
  return [{ sort: "any", node }];
}

/** The kinds of a part with the schema of each; a part within one of its own promise is found by their names. */
function kindsOf(root, node) {
  const [first, ...others] = node.anyOf ?? [];
  if (!first?.enum || !others.some((each) => each.required?.includes("kind") || resolved(root, each).properties?.kind)) return null;
  const found = others.map((each) => resolved(root, each)).filter((each) => each.properties?.kind?.const);
  if (found.length) return Object.fromEntries(found.map((each) => [each.properties.kind.const, each]));
  const names = first.enum.join();
  const whole = Object.values(root.$defs).find((each) => each !== node && each.anyOf?.[0].enum?.join() === names && each.anyOf.some((other) => resolved(root, other).properties?.kind?.const));
  return whole ? kindsOf(root, whole) : Object.fromEntries(first.enum.map((name) => [name, { properties: {} }]));
}

/** Which of some shapes a value has; the first that is not nothing, where it has none. */
export function shapeOf(all, value) {
  const fits = {
    nothing: () => value === null,
    stage: () => typeof value === "string" && value.startsWith("@"),
    part: ({ kinds }) => (typeof value === "string" && value in kinds) || (isMapping(value) && "kind" in value),
    choice: ({ node }) => node.enum.includes(value),
    flag: () => typeof value === "boolean",
    number: () => typeof value === "number",
    list: () => Array.isArray(value),
    section: () => isMapping(value),
    map: () => isMapping(value),
    text: () => typeof value === "string" && !value.startsWith("@"),
    any: () => value !== undefined,
  };
  const ways = all.filter(({ sort }) => sort !== "nothing");
  const part = isMapping(value) && ways.find(({ sort }) => sort === "part");
  return all.find((each) => fits[each.sort](each)) || part || (typeof value === "string" && ways.find(({ sort }) => sort === "text")) || ways[0] || all[0];
}

export const isMapping = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The fields of a section or of a part of some kind: `[name, node, needed]`. */
export function fieldsOf(root, node) {
  return Object.entries(node?.properties ?? {})
    .filter(([name]) => name !== "kind")
    .map(([name, each]) => [name, resolved(root, each), (node.required ?? []).includes(name)]);
}

/** Limits of a number, or of the length of a text or list: `["≥ 1", ...]`. */
export function limitsOf(node) {
  const told = [["minimum", "≥"], ["exclusiveMinimum", ">"], ["maximum", "≤"], ["exclusiveMaximum", "<"]];
  const alternatives = [node, ...(node.anyOf ?? [])];
  return told.flatMap(([key, sign]) => alternatives.filter((each) => each[key] !== undefined).slice(0, 1).map((each) => `${sign} ${each[key]}`));
}

/** What a section of another kind keeps of one: the keys that it has too. */
export function ofKind(kinds, kind, value) {
  const known = Object.keys(kinds[kind]?.properties ?? {});
  const kept = isMapping(value) ? Object.entries(value).filter(([name]) => name !== "kind" && known.includes(name)) : [];
  return { kind, ...Object.fromEntries(kept) };
}

/** A number where a text is one, else the text as it is, so that it is refused at its field. */
export function asNumber(text) {
  const bare = text.trim();
  return bare !== "" && Number.isFinite(Number(bare)) && /^[-+.\deE]+$/.test(bare) ? Number(bare) : bare;
}
