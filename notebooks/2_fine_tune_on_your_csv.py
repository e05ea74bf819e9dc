"""A csv of one's own to a model that tells its labels."""

# %% [markdown]
# # Fine-tune on your csv · 用自己的 csv 微调
#
# `danlu init` looks at the file and writes a recipe with comments; `danlu check` looks the recipe over before anything runs.
#
# `danlu init` 先看文件，再写出带注释的配方；`danlu check` 在运行之前把配方检查一遍。

# %%
# %pip install -q danlu

# %%
import os

QUICK = bool(os.environ.get("DANLU_NOTEBOOK_QUICK"))  # fewer steps; scores mean nothing then

# %% [markdown]
# ## The file · 文件
#
# Put your own in its place: a column of texts, a column of labels, any names, UTF-8 or GB18030.
#
# 换成自己的文件即可：一列文本、一列标签，列名随意，UTF-8 或 GB18030 都行。

# %%
import csv
import random
from pathlib import Path

GOOD = ["味道很好", "送货很快", "质量不错", "老板热情", "包装精美", "价格实惠", "很喜欢", "会再来"]
BAD = ["味道很差", "送货太慢", "质量不行", "态度恶劣", "包装破了", "太贵了", "很失望", "再也不来"]
draw = random.Random(0)
rows = []
for number in range(400):
    words, label = (GOOD, "好评") if number % 2 else (BAD, "差评")
    rows.append(("，".join(draw.sample(words, 3)) + f"，第 {number} 单。", label))
with Path("comments.csv").open("w", encoding="utf-8", newline="") as file:
    csv.writer(file).writerows([("评论", "标签"), *rows])

# %% [markdown]
# ## Look, write a recipe, check it · 查看，写配方，检查

# %%
# !danlu survey comments.csv --column 评论 --label 标签

# %%
# !danlu init classify comments.csv --output comments.yaml --force

# %%
print(Path("comments.yaml").read_text(encoding="utf-8"))

# %%
# !danlu check comments.yaml

# %% [markdown]
# ## Run it · 运行

# %%
import yaml

import danlu

recipe = yaml.safe_load(Path("comments.yaml").read_text(encoding="utf-8"))
train = next(name for name, stage in recipe["stages"].items() if stage["kind"] == "train")
run = danlu.run("comments.yaml", **({f"{train}.train.steps": 8, f"{train}.train.epochs": None} if QUICK else {}))

# %% [markdown]
# ## Ask it; look at what it was unsure of · 提问；看看它拿不准的
#
# With a folder of a pretrained model at hand, write `model: {kind: pretrained, path: FOLDER}` into the recipe, and `tuning: lora`
# where memory is short.
#
# 手头有预训练模型的文件夹时，在配方里写 `model: {kind: pretrained, path: 文件夹}`；内存不够时再写 `tuning: lora`。

# %%
with danlu.load(run[train]) as bundle:
    for text in ["质量不错，很喜欢", "很失望，太贵了", "味道很好，但是送货太慢"]:
        (answer,) = bundle.predict([text])
        print(text, answer["label"], round(max(answer["scores"].values()), 3))
