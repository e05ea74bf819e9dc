// All that the page says, in both languages, and numbers as they are written in them.

/** `name: [English, Chinese]`; `{thing}` is put in. */
const WORDS = {
  predict: ["Predict", "预测"],
  chat: ["Chat", "对话"],
  compare: ["Compare", "对比"],
  live: ["Live", "运行状况"],
  views: ["Views", "页面"],
  skip: ["Skip to the content", "跳到正文"],
  light: ["Light or dark", "明暗"],
  light_auto: ["As the system", "跟随系统"],
  light_light: ["Light", "浅色"],
  light_dark: ["Dark", "深色"],
  loading: ["The models are being asked for …", "正在读取模型列表……"],
  again: ["Try again", "重试"],
  problem: ["Not answered.", "未能回答。"],
  not_reached: ["The server cannot be reached.", "连不上服务器。"],
  key_wanted: ["This server wants a key", "此服务器需要密钥"],
  key: ["Key", "密钥"],
  key_stays: ["Keep it until this tab is closed", "在关闭此标签页之前保留"],
  key_use: ["Use this key", "使用此密钥"],
  model: ["Model", "模型"],
  facts: ["Task {task}, up to {tokens} tokens, {precision}", "任务 {task}，最多 {tokens} 个词元，{precision}"],
  predict_told: ["What a model says of a text, as it was evaluated.", "模型对一段文本的回答，与评测时一致。"],
  predict_do: ["Ask", "提问"],
  samples: ["Samples", "示例"],
  sample_texts: ["Some texts", "几段文本"],
  optional: ["may be left out", "可不填"],
  hint_lines: ["One a line.", "每行一个。"],
  hint_json: ["As JSON.", "以 JSON 书写。"],
  hint_texts: ["One text a line; several are compared.", "每行一段文本；多段时相互比较。"],
  write_json: ["Write it as JSON", "以 JSON 书写"],
  not_json: ["This is no JSON:", "不是合法的 JSON："],
  keys_send: ["Ctrl+Enter asks", "Ctrl+Enter 提问"],
  keys_chat: ["Enter sends, Shift+Enter begins a line", "Enter 发送，Shift+Enter 换行"],
  working: ["The model is being asked …", "正在询问模型……"],
  nothing_yet: ["The answer will stand here.", "回答将显示在这里。"],
  answer: ["Answer", "回答"],
  record: ["Record {number}", "第 {number} 条"],
  took: ["{milliseconds} ms, {tokens} tokens", "{milliseconds} 毫秒，{tokens} 个词元"],
  as_json: ["As JSON, for programs", "JSON 格式，供程序使用"],
  request: ["Request", "请求"],
  copy: ["Copy", "复制"],
  copied: ["copied", "已复制"],
  chosen: ["chosen", "所选"],
  and_more: ["and {count} more", "另有 {count} 个"],
  no_label: ["no label", "无标签"],
  no_text: ["(no text)", "（无文本）"],
  no_span: ["Nothing was found in this text.", "此文本中没有找到任何片段。"],
  no_answer: ["no answer in the text", "文中没有答案"],
  spans: ["What was found", "找到的片段"],
  spans_found: ["{count} found, as a table", "共 {count} 个，以表格列出"],
  text: ["Text", "文本"],
  label: ["Label", "标签"],
  place: ["Characters", "位置"],
  score: ["Score", "分数"],
  in_context: ["In its context", "所在上下文"],
  best_answers: ["Best answers", "最佳答案"],
  sure: ["Probability {share}.", "概率 {share}。"],
  perplexity: ["Perplexity", "困惑度"],
  perplexity_told: [
    "As if the model had to choose among so many tokens each time; less is better.",
    "相当于模型每次要在这么多个词元中选择；越低越好。",
  ],
  nats: ["Nats in all", "总负对数似然"],
  tokens: ["Tokens", "词元"],
  blank: ["Blank {number}", "第 {number} 空"],
  preferred: ["preferred", "更受偏好"],
  log_probability: ["Log-probability {value}", "对数概率 {value}"],
  margin: ["Margin of 'chosen' over 'rejected': {value} nats", "chosen 相对 rejected 的优势：{value} 奈特"],
  similar: ["Similar texts", "相似文本"],
  similar_told: ["Cosine of each text with the one that is pressed.", "各文本与所按下文本的余弦相似度。"],
  similar_to: ["Similar to which text", "与哪段文本比较"],
  more_texts: ["Give several texts, one a line, to see which are alike.", "每行写一段文本，写多段即可查看相似度。"],
  vector_of: ["Vectors of {count} numbers", "{count} 维向量"],
  vector_told: ["The first {shown} of {count} numbers of the vector", "向量 {count} 个数中的前 {shown} 个"],
  chat_told: ["A conversation, written as in the training.", "与训练时格式一致的对话。"],
  goes_on_told: ["The model goes on after a text.", "模型接着一段文本往下写。"],
  none_writes: ["None of the models here writes text.", "这里没有会写文本的模型。"],
  conversation: ["Conversation", "对话记录"],
  say_something: ["Say something to begin.", "说点什么来开始。"],
  you: ["You", "你"],
  the_model: ["Model", "模型"],
  message: ["Message", "消息"],
  beginning: ["Text to go on with", "要接着写的文本"],
  send: ["Send", "发送"],
  go_on: ["Go on", "续写"],
  stop: ["Stop", "停止"],
  reset: ["Begin anew", "重新开始"],
  settings: ["How it is written", "生成设置"],
  system: ["System text", "系统提示"],
  temperature: ["Temperature", "温度"],
  most: ["Most tokens", "最多词元数"],
  as_bundle: ["as evaluated", "与评测一致"],
  writing: ["The model is writing.", "模型正在书写。"],
  written: ["The answer is complete.", "回答已完成。"],
  stopped: ["Stopped.", "已停止。"],
  ended_length: ["Ended by its greatest length.", "因达到长度上限而结束。"],
  wrote: ["{tokens} tokens, {milliseconds} ms, {rate} a second", "{tokens} 个词元，{milliseconds} 毫秒，每秒 {rate} 个"],
  compare_told: ["Two bundles or adapters, asked the same.", "向两个模型或适配器提同样的问题。"],
  compare_by: ["Compare by", "对比方式"],
  left: ["Left", "左"],
  right: ["Right", "右"],
  same: ["Both say the same.", "两者回答相同。"],
  differ: ["They differ.", "两者回答不同。"],
  other_answers: ["These two read different things, so each is asked for its own columns.", "两者读取的内容不同，因此各取各的列。"],
  live_told: ["What the server counts, read every two seconds.", "服务器的统计，每两秒读取一次。"],
  state: ["State", "状态"],
  state_ready: ["ready", "就绪"],
  state_drifted: ["drifted", "已偏离"],
  state_stopping: ["stopping", "正在停止"],
  drifted: ["Answers differ from those that were saved:", "回答与保存时不同："],
  answered: ["Answered", "已回答"],
  refused: ["Refused", "已拒绝"],
  tokens_read: ["Tokens read", "读取词元"],
  tokens_written: ["Tokens written", "书写词元"],
  requests_per_second: ["Requests a second", "每秒请求"],
  tokens_per_second: ["Tokens a second", "每秒词元"],
  read: ["read", "读取"],
  written_tokens: ["written", "书写"],
  latency: ["Latency, over half a minute", "延迟（半分钟内）"],
  queue: ["Requests under way", "进行中的请求"],
  queue_tokens: ["Tokens under way", "进行中的词元"],
  requests: ["Requests", "请求"],
  seconds: ["{seconds} s", "{seconds} 秒"],
  now: ["now", "现在"],
  no_value: ["nothing", "无"],
};

const LANGUAGES = ["en", "zh"];
const PLACE = "danlu-page-";

/** What was chosen before (language, light); nothing else is kept. */
export function kept(name) {
  try {
    return localStorage.getItem(PLACE + name);
  } catch {
    return null;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem(PLACE + name, value);
  } catch {
    // a browser that keeps nothing
  }
}

let spoken = LANGUAGES.includes(kept("language")) ? kept("language") : navigator.language.startsWith("zh") ? "zh" : "en";

export const language = () => spoken;

/** Know more words, as `name: [English, Chinese]`. */
export function learn(words) {
  Object.assign(WORDS, words);
}

export function speak(chosen) {
  spoken = chosen;
  keep("language", chosen);
  return chosen;
}

export function t(name, things = {}) {
  return WORDS[name][LANGUAGES.indexOf(spoken)].replace(/\{(\w+)\}/g, (_, thing) => things[thing]);
}

const FORMS = {
  plain: (value) => ({ maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 }),
  percent: () => ({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }),
  exact: () => ({ maximumSignificantDigits: 4 }),
  cosine: () => ({ minimumFractionDigits: 3, maximumFractionDigits: 3 }),
};

export function number(value, form = "plain") {
  if (form === "seconds") {
    const short = value < 1;
    const told = new Intl.NumberFormat(spoken, { maximumSignificantDigits: 3 }).format(short ? value * 1000 : value);
    return `${told} ${short ? "ms" : "s"}`;
  }
  return new Intl.NumberFormat(spoken, FORMS[form](value)).format(value);
}
