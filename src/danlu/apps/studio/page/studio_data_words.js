// What the page says of data, recipes and bundles, beside the words that all pages share.

/** `name: [English, Chinese]`; `{thing}` is put in. */
export const WORDS = {
  data: ["Data", "数据"],
  recipe: ["New recipe", "新建配方"],
  bundles: ["Bundles", "模型包"],
};
