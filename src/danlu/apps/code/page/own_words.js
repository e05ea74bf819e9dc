// What this page says beside the words that all pages share.

/** `name: [English, Chinese]`; `{thing}` is put in. */
export const WORDS = {
  fill: ["Complete", "补全"],
  fill_told: ["Try what an editor is told: code before a place, and behind it.", "试试编辑器会得到的补全：给出光标前后的代码。"],
  before: ["Before the place", "光标之前"],
  behind: ["Behind the place", "光标之后"],
  behind_hint: ["May be left empty.", "可留空。"],
  no_gaps: ["This model goes on with code and fills no gaps.", "此模型只能续写，不能填空。"],
  path: ["Path of the file", "文件路径"],
  most_tokens: ["Most tokens", "最多词元数"],
  one_line: ["One line alone", "只要一行"],
  do_fill: ["Complete", "补全"],
  whole: ["The code with it", "补全后的代码"],
  nothing_written: ["Nothing is missing here, says the model.", "模型认为此处无需补全。"],
  editor: ["In an editor", "在编辑器中使用"],
  editor_told: [
    "Plugins that speak the interface of OpenAI are given this address; those that fill gaps send prompt and suffix.",
    "支持 OpenAI 接口的插件填入此地址即可；填空类插件会发送 prompt 和 suffix。",
  ],
  limits: ["Up to {tokens} tokens are read and written; the nearest lines are kept.", "最多读写 {tokens} 个词元，保留离光标最近的行。"],
  repository_read: ["Lines of other files of the repository are read as well.", "还会读取仓库中其他文件的相关代码。"],
};
