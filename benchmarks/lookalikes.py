"""Which common Chinese characters look alike, told by their drawings: makes `src/danlu/data/augmenting/lookalikes.txt`.

Needs pillow and two fonts, a sans and a serif one (`python benchmarks/lookalikes.py SANS SERIF`); danlu's table is
made with Noto Sans CJK SC and Noto Serif CJK SC (SIL Open Font License 1.1, index 2 of their .ttc). A character is
drawn, blurred and made small, so that near strokes count as the same; two are as alike as the correlation of their
pictures, the mean of both fonts. Prints how many known confusions the table holds.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from danlu.data.augmenting.hanzi import common_characters

TABLE = Path(__file__).parents[1] / "src" / "danlu" / "data" / "augmenting" / "lookalikes.txt"
SIDE, SMALL = 64, 20  # pixels
BLUR = 1.6  # pixels of the large picture
MOST = 5  # look-alikes a character
LEAST = 0.68  # correlation

KNOWN = (
    "己已 已巳 未末 日曰 土士 人入 人八 千干 干于 戊戌 戌戍 请清 清情 "
    "大太 大犬 天夭 间问 没设 侯候 辩辨 辨辫 拔拨 折拆 晴睛 烧浇"
)
"""Pairs that Chinese schoolbooks warn of."""


def pictures(font: str) -> NDArray[np.float64]:
    """The characters (N, SMALL * SMALL), each with mean 0 and length 1."""
    drawn = ImageFont.truetype(font, SIDE, index=2)
    rows = []
    for character in common_characters():
        image = Image.new("L", (SIDE + 8, SIDE + 8))
        ImageDraw.Draw(image).text((4 + SIDE / 2, 4 + SIDE / 2), character, 255, font=drawn, anchor="mm")
        small = image.filter(ImageFilter.GaussianBlur(BLUR)).resize((SMALL, SMALL), Image.Resampling.BOX)
        rows.append(np.asarray(small, np.float64).ravel())
    found = np.stack(rows)
    found -= found.mean(1, keepdims=True)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def main(fonts: list[str]) -> None:
    alike = sum(picture @ picture.T for picture in map(pictures, fonts)) / len(fonts)
    np.fill_diagonal(alike, -1)
    common = common_characters()
    order = np.argsort(-alike, axis=1, kind="stable")[:, :MOST]
    table = {
        character: "".join(common[other] for other in order[row] if alike[row, other] >= LEAST)
        for row, character in enumerate(common)
    }
    lines = [character + others for character, others in table.items() if others]
    head = "# A character and those that look like it, the likest first; see benchmarks/lookalikes.py."
    TABLE.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    pairs = [pair for pair in KNOWN.split() if set(pair) <= set(common)]
    lost = [pair for pair in pairs if pair[1] not in table[pair[0]] and pair[0] not in table[pair[1]]]
    upper = alike[np.triu_indices(len(common), 1)]
    print(
        f"{len(lines):,} of {len(common):,} characters have look-alikes, {sum(map(len, lines)) - len(lines):,} in all"
    )
    print(
        f"correlation of two characters: median {np.median(upper):.2f}, "
        f"99.9th percentile {np.percentile(upper, 99.9):.2f}"
    )
    print(f"known confusions found: {len(pairs) - len(lost)} of {len(pairs)}; lost: {' '.join(lost) or 'none'}")


if __name__ == "__main__":
    main(sys.argv[1:])
