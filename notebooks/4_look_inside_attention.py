"""What attention is, by hand and in a model, and which words an answer goes back to."""

# %% [markdown]
# # Look inside attention · 看看注意力
#
# Each token asks (query), offers (key) and carries something (value):
# $$\mathrm{attention}(Q,K,V)=\mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt d}\right)V$$
#
# 每个词元都有所问（query）、所应（key）、所带（value）：分数是 $QK^\top/\sqrt d$，按行做 softmax 得到权重，再对 $V$ 加权求和。

# %%
# %pip install -q danlu

# %% [markdown]
# ## By hand · 手算

# %%
import torch

query = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
key = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
value = torch.tensor([[1.0, 0.0], [0.0, 10.0]])
weights = torch.softmax(query @ key.T / 2**0.5, dim=-1)
print(weights)
print(weights @ value)
assert torch.allclose(
    weights @ value, torch.nn.functional.scaled_dot_product_attention(query[None], key[None], value[None])[0]
)

# %% [markdown]
# ## In a model · 在模型里
#
# A small classifier of what customers ask about.
#
# 训练一个判断顾客问什么的小分类器。

# %%
import os
from pathlib import Path

import danlu

QUICK = bool(os.environ.get("DANLU_NOTEBOOK_QUICK"))
ASKED = {"物流": ["什么时候发货", "快递到哪里了", "几天能送到"], "退货": ["怎么退货", "可以换尺码吗", "退款多久到账"]}
rows = [f"{start}{text}{end}\t{label}" for label, texts in ASKED.items() for text in texts
        for start in ("", "请问", "你好，", "麻烦问一下，") for end in ("", "？", "呢？", "，谢谢。")]  # fmt: skip
Path("asked.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
run = danlu.run({
    "name": "asked",
    "stages": {
        "clean": {"kind": "prepare", "data": {"kind": "tsv", "path": "asked.tsv"}, "dedup": "none", "split": {"validation": 0.1, "test": 0.1}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 300, "min_frequency": 1}},
        "model": {
            "kind": "train", "data": "@clean", "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": "bert", "size": "tiny"}, "task": {"kind": "classify"},
            "train": {"steps": 10 if QUICK else 120, "rate": 1e-3, "batch_tokens": 512},
        },
    },
})  # fmt: skip

# %%
with danlu.load(run["model"], "float32") as bundle:
    (found,) = danlu.explained(bundle, ["请问快递到哪里了？"], {"kind": "attention", "layer": 1})
print(found.tokens)
heads = found.attention  # (layers, heads, tokens, tokens)
print(heads.shape, "rows sum to", heads.sum(-1).min().round(4), "to", heads.sum(-1).max().round(4))

# %% [markdown]
# ## What has the answer to do with it? · 答案与哪些词有关？
#
# Attention shows where a model looks, not why it answers. Integrated gradients add up to the answer, and the gap is told.
#
# 注意力说明模型看哪里，不说明为什么这样答。积分梯度加起来等于答案，差额会一并给出。

# %%
with danlu.load(run["model"], "float32") as bundle:
    (found,) = danlu.explained(bundle, ["请问快递到哪里了？"])
for word, score in zip(found.words, found.scores, strict=True):
    print(f"{found.texts[word.column][word.start : word.end]:<6} {score:+.3f}")
print("gap", found.gap)

# %% [markdown]
# The page with the text in colour, the matrix of a head, and a grid of layers by heads:
#
# 带颜色的文本、单个头的矩阵、各层各头一览的网页：

# %%
# !danlu explain runs/asked/model/bundle "请问快递到哪里了？" --method attention --html attention.html
