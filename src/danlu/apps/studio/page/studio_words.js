// What the page says of runs, beside the words that all pages share.

/** `name: [English, Chinese]`; `{thing}` is put in. */
export const WORDS = {
  opening: ["The runs are being read …", "正在读取训练……"],
  runs: ["Runs", "训练"],
  compare_runs: ["Compare", "对比"],
};
