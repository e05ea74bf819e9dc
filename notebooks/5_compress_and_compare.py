"""Smaller forms of a model beside it: what they gain, and what they lose."""

# %% [markdown]
# # Compress and compare · 压缩并比较
#
# A number in 8 bits is $q=\mathrm{round}(x/s)+z$; what it stands for is $s\,(q-z)$. Pruning takes out whole neurons or layers.
# Each form is scored on the same records as the original and timed in turn with it.
#
# 8 位的数是 $q=\mathrm{round}(x/s)+z$，它代表 $s\,(q-z)$；剪枝则去掉整个神经元或层。每种形式都与原模型在同样的记录上评分，并轮流计时。

# %%
# %pip install -q "danlu[onnx]"

# %%
import os
from pathlib import Path

import danlu

QUICK = bool(os.environ.get("DANLU_NOTEBOOK_QUICK"))

# %% [markdown]
# ## A model · 一个模型

# %%
ASKED = {"物流": ["什么时候发货", "快递到哪里了", "几天能送到"], "退货": ["怎么退货", "可以换尺码吗", "退款多久到账"]}
rows = [f"{start}{text}{end}\t{label}" for label, texts in ASKED.items() for text in texts
        for start in ("", "请问", "你好，", "麻烦问一下，") for end in ("", "？", "呢？", "，谢谢。")]  # fmt: skip
Path("asked.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
run = danlu.run({
    "name": "asked",
    "stages": {
        "clean": {"kind": "prepare", "data": {"kind": "tsv", "path": "asked.tsv"}, "dedup": "none", "split": {"validation": 0.1, "test": 0.3}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 300, "min_frequency": 1}},
        "model": {
            "kind": "train", "data": "@clean", "tokenizer": "@vocab",
            "model": {"kind": "scratch", "architecture": "bert", "size": "tiny"}, "task": {"kind": "classify"},
            "train": {"steps": 10 if QUICK else 120, "rate": 1e-3, "batch_tokens": 512},
        },
    },
})  # fmt: skip

# %% [markdown]
# ## Eight bits by hand · 手算 8 位

# %%
import numpy as np

numbers = np.array([-1.0, 0.0, 0.5, 2.0])
scale = (numbers.max() - numbers.min()) / 255
zero = round(-numbers.min() / scale)
packed = np.round(numbers / scale).astype(int) + zero
print(packed, (packed - zero) * scale)

# %% [markdown]
# ## Smaller forms, side by side · 各种更小的形式并列
#
# `--floor` says how far quality may fall; the best form that holds it is kept in `smaller/bundle`.
#
# `--floor` 说明质量最多可降多少；守住底线的最佳形式留在 `smaller/bundle`。

# %%
# !danlu compress runs/asked/model/bundle runs/asked/clean --floor "accuracy -5" --out smaller --rungs neurons:0.5 --target size --recovery none

# %%
import json

told = json.loads(Path("smaller/compress.json").read_text(encoding="utf-8"))
print(list(told))

# %% [markdown]
# ## The same in another engine · 换一个引擎
#
# `export` compares the answers with the original before anything is left.
#
# `export` 先与原模型比较答案，再留下结果。

# %%
# !danlu export runs/asked/model/bundle asked-onnx --to onnx

# %%
with danlu.load("asked-onnx") as small, danlu.load(run["model"], "float32") as original:
    for text in ["请问几天能送到？", "我想退货"]:
        print(text, small.predict([text])[0]["label"], original.predict([text])[0]["label"])
