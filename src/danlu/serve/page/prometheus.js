// What `/metrics` says (Prometheus text format 0.0.4), and what two readings of it tell of the time between them.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Samples by name: `[{labels, value}]` each. */
export function parsed(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = line.startsWith("#") ? null : LINE.exec(line);
    if (!match) continue;
    const labels = Object.fromEntries([...(match[2] ?? "").matchAll(LABEL)].map(([, name, value]) => [name, value]));
    const value = { "+Inf": Infinity, "-Inf": -Infinity }[match[3]] ?? Number(match[3]);
    if (!found.has(match[1])) found.set(match[1], []);
    found.get(match[1]).push({ labels, value });
  }
  return found;
}

/** The sum of all samples of a name that a function takes. */
export function total(samples, name, takes = () => true) {
  return (samples.get(name) ?? []).filter(({ labels }) => takes(labels)).reduce((sum, { value }) => sum + value, 0);
}

/** How much a counter grew; a server that was started anew counts from nothing. */
export function grown(before, after, name, takes) {
  const [old, now] = [total(before, name, takes), total(after, name, takes)];
  return now >= old ? now - old : now;
}

/** A quantile of what a histogram counted between two readings, within its bucket by a straight line; null of nothing. */
export function quantile(before, after, name, share, takes = () => true) {
  const ends = [...new Set((after.get(`${name}_bucket`) ?? []).map(({ labels }) => labels.le))];
  const edges = ends.map((le) => [le === "+Inf" ? Infinity : Number(le), le]).sort((one, other) => one[0] - other[0]);
  const counts = edges.map(([, le]) => grown(before, after, `${name}_bucket`, (labels) => labels.le === le && takes(labels)));
  const all = counts.at(-1) ?? 0;
  if (!all) return null;
  const place = counts.findIndex((count) => count >= share * all);
  const [low, under] = place ? [edges[place - 1][0], counts[place - 1]] : [0, 0];
  if (edges[place][0] === Infinity) return low;
  return low + ((edges[place][0] - low) * (share * all - under)) / (counts[place] - under || 1);
}
