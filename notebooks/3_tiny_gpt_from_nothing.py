"""A tiny GPT that has seen nothing but some poems."""

# %% [markdown]
# # A tiny GPT from nothing · 从零训练一个小 GPT
#
# A decoder learns to guess the next token: the loss is $-\frac1T\sum_t \log p(x_t \mid x_{<t})$, and $e$ to its power is the
# perplexity, the number of tokens that the model hesitates between.
#
# 解码器学着猜下一个词元：损失是 $-\frac1T\sum_t \log p(x_t \mid x_{<t})$，以 $e$ 为底取指数就是困惑度，即模型在多少个词元之间犹豫。

# %%
# %pip install -q danlu

# %%
import os

QUICK = bool(os.environ.get("DANLU_NOTEBOOK_QUICK"))  # fewer steps; it babbles then

# %% [markdown]
# ## The text · 文本
#
# Forty lines of Tang poems. Take a novel, or your own notes: one document a line.
#
# 几十行唐诗。可以换成小说或自己的笔记：每行一篇。

# %%
from pathlib import Path

POEMS = """床前明月光，疑是地上霜。举头望明月，低头思故乡。
白日依山尽，黄河入海流。欲穷千里目，更上一层楼。
春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。
千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。
红豆生南国，春来发几枝。愿君多采撷，此物最相思。
空山不见人，但闻人语响。返景入深林，复照青苔上。
独坐幽篁里，弹琴复长啸。深林人不知，明月来相照。
君自故乡来，应知故乡事。来日绮窗前，寒梅著花未。
松下问童子，言师采药去。只在此山中，云深不知处。
向晚意不适，驱车登古原。夕阳无限好，只是近黄昏。"""
Path("poems.txt").write_text(POEMS + "\n", encoding="utf-8")

# %% [markdown]
# ## A model of a few hundred thousand numbers · 几十万个参数的模型

# %%
import danlu

RECIPE = {
    "name": "poems",
    "stages": {
        "clean": {
            "kind": "prepare",
            "data": {"kind": "text", "path": "poems.txt"},
            "split": {"validation": 0.1, "test": 0.1},
        },
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "bpe", "size": 500}},
        "gpt": {
            "kind": "train",
            "data": "@clean",
            "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": "gpt2", "size": "tiny", "positions": 64, "dropout": 0.0},
            "task": {"kind": "causal_lm"},
            "train": {"steps": 12 if QUICK else 300, "rate": 3e-3, "batch_tokens": 512},
        },
    },
}
losses = []


def watch(stage, event):
    if type(event).__name__ == "Stepped":
        losses.append(event.step.loss)


run = danlu.run(RECIPE, watch=watch)
print("loss of the first and the last step:", round(losses[0], 3), round(losses[-1], 3))

# %% [markdown]
# ## It writes · 它来写
#
# Greedy takes the likeliest token each time; sampling draws one, sharper or flatter by the temperature.
#
# 贪心每次取最可能的词元；抽样按概率取，温度决定尖锐还是平缓。

# %%
with danlu.load(run["gpt"]) as bundle:
    for policy in ({"kind": "greedy"}, {"kind": "sample", "temperature": 0.8, "seed": 1}):
        ((written,),) = bundle.generate(["明月"], policy, max_new_tokens=24)
        print(policy["kind"], "明月" + written.text)

# %% [markdown]
# ## How surprised is it? · 它有多意外？

# %%
with danlu.load(run["gpt"], "float32") as bundle:
    for text in ("举头望明月，低头思故乡。", "乡故思头低，月明望头举。"):
        (told,) = bundle.predict([text])
        print(text, "perplexity", round(told["perplexity"], 1))
