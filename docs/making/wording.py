"""The words of the reference in English and Chinese, beside what parts and commands say of themselves."""

SORTS = {
    "stage": ("Stages", "阶段"),
    "format": ("Formats of data", "数据格式"),
    "cleaner": ("Cleaners", "清洗器"),
    "augmenter": ("Augmenters", "增强器"),
    "executor": ("Executors", "执行器"),
    "segmenter": ("Segmenters", "分词方法"),
    "tokenizer": ("Tokenizers", "分词器（词元）"),
    "source": ("Sources of models", "模型来源"),
    "policy": ("Policies of decoding", "解码策略"),
    "template": ("Templates of conversations", "对话模板"),
    "task": ("Tasks", "任务"),
    "corruption": ("Corruptions", "破坏方式"),
    "engine": ("Engines", "引擎"),
    "method": ("Methods of tuning", "微调方法"),
    "pruning": ("Prunings", "剪枝"),
    "remedy": ("Remedies against forgetting", "防遗忘对策"),
    "target": ("Targets of export", "导出目标"),
    "recorder": ("Recorders", "记录器"),
    "answer": ("Forms of answers", "答案形式"),
    "perturbation": ("Perturbations", "扰动"),
    "metric": ("Metrics", "指标"),
    "baseline": ("Baselines", "基线"),
    "explainer": ("Explainers", "解释方法"),
    "channel": ("Channels of messages", "消息通道"),
}
"""The title of the page of each sort of part."""

PROMISED = {
    "a stage": "stage",
    "a format": "format",
    "a cleaner": "cleaner",
    "an augmenter": "augmenter",
    "an executor": "executor",
    "a segmenter": "segmenter",
    "a tokenizer source": "tokenizer",
    "a source": "source",
    "a policy": "policy",
    "a template": "template",
    "a task": "task",
    "a corruption": "corruption",
    "a method": "method",
    "a remedy": "remedy",
    "a recorder": "recorder",
    "a perturbation": "perturbation",
    "a channel": "channel",
}
"""The sort that a type in words means."""

HEADS = {
    "key": ("key", "字段"),
    "holds": ("holds", "类型"),
    "default": ("default", "默认值"),
    "meaning": ("meaning", "含义"),
    "sort": ("sort", "种类"),
    "kinds": ("kinds", "名字"),
    "command": ("command", "命令"),
    "does": ("what it does", "作用"),
    "argument": ("argument", "参数"),
}

WORDS = {
    "needed": ("needed", "必填"),
    "see below": ("its keys follow", "见其下各字段"),
    "no keys": ("No keys of its own.", "没有自己的字段。"),
    "shared keys": ("Keys that each of them has:", "各种共有的字段："),
    "where": ("Where it stands:", "写在哪里："),
    "file": ("— each is a file of", "\u2014 每种是一个文件："),
    "reads": ("reads", "读取"),
    "answers": ("answers with", "回答的形式"),
    "scored by": ("scored by", "打分"),
    "beside": ("beside", "对照的基线"),
    "raises": ("Raises:", "会引发："),
    "reference": ("Reference", "参考"),
    "about reference": (
        "These pages are made of the code when the site is built, so they say what this version does. "
        "The same is told by `danlu list`, `danlu list lora`, `danlu schema` and `danlu COMMAND --help`.",
        "这些页面在构建网站时由代码生成，说的就是这个版本。`danlu list`、`danlu list lora`、`danlu schema` "
        "和 `danlu COMMAND --help` 说的也是同样的内容。",
    ),
    "parts": ("Parts", "零件"),
    "about parts": (
        "The left column names the sort of a part, the right one the names that it goes by: what `kind` says in a "
        "recipe, or, for answers, engines and most metrics, what tasks and bundles name.",
        "第一列是零件的种类，第二列是它们的名字：配方里写在 `kind` 后面；"
        "答案、引擎和大多数指标则由任务和模型文件夹指定。",
    ),
    "about more": (
        "Also: the [keys of a recipe](recipe.md), the [applications](applications.md), danlu [in Python](python.md).",
        "另见：[配方的字段](recipe.md)、[应用](applications.md)、[Python 接口](python.md)。",
    ),
    "recipe": ("Keys of a recipe", "配方的字段"),
    "about recipe": (
        "A recipe is a YAML file; any value can be replaced for one run, as in "
        "`danlu run reviews.yaml model.train.epochs=12`. An unknown key is an error that names the nearest spelling. "
        "What stands under `stages.NAME` is told by [the stages](parts/stage.md).",
        "配方是一个 YAML 文件；任何一个值都可以临时替换，例如 `danlu run reviews.yaml model.train.epochs=12`。"
        "不认识的字段是错误，并会提示最接近的写法。`stages.NAME` 之下写什么，见[阶段](parts/stage.md)。",
    ),
    "commands": ("Commands", "命令"),
    "about commands": (
        "`danlu COMMAND --help` says the same. With any command `--debug` shows the traceback of an error as well, "
        "`danlu --version` the version.",
        "`danlu COMMAND --help` 说的也是这些。任何命令加上 `--debug` 都会显示错误的完整调用栈，"
        "`danlu --version` 显示版本。",
    ),
    "applications": ("Applications", "应用"),
    "about applications": (
        "`danlu app` lists them; what each does is told by the how-to pages.",
        "`danlu app` 列出全部；各自做什么，见“怎样做”里的页面。",
    ),
    "python": ("In Python", "Python 接口"),
    "about python": (
        "`import danlu` takes neither torch nor transformers in; what needs them does so when it is called.",
        "`import danlu` 不会载入 torch 和 transformers；需要它们的函数在调用时才载入。",
    ),
}
