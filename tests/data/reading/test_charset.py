"""Text is read in the encoding that it is in, or refused with a sentence; never in another one without a word."""

import csv
import json
import random
import re
from itertools import islice
from pathlib import Path

import pytest

from danlu.data.reading.format import Format
from danlu.refusal import Refusal

DATA = Path(__file__).parents[3] / "../shared/data"
as_published = pytest.mark.skipif(not DATA.is_dir(), reason="the real data of ../shared/data is not here")

# ruff: noqa: E501  (one text a line)
FOREIGN = {
    "german": ("cp1252", "Schöne Größe für Mädchen. Die Straße führt über die Brücke zum Bäcker, wo es süße Brötchen gibt. Natürlich können wir später noch größere Übungen durchführen, wenn das Gerät wieder läuft. Für mich persönlich wären fünf Stück völlig ausreichend."),
    "french": ("cp1252", "Très déçu par ce modèle, la qualité n'est pas à la hauteur. Le café était très bon et le serveur très sympathique. J'ai reçu le colis après trois semaines. Élève modèle, il a été récompensé à Noël. Où êtes-vous allés cet été ?"),
    "spanish": ("cp1252", "El niño comió mañana en el jardín con su compañero. ¿Dónde está la estación? La habitación era pequeña pero cómoda."),
    "polish": ("cp1250", "Książka była bardzo ciekawa, ale zakończenie trochę mnie rozczarowało. Proszę przyjść później, dziękuję."),
    "russian": ("cp1251", "Очень хороший товар, доставка быстрая, рекомендую всем. К сожалению, качество оказалось хуже, чем я ожидал."),
    "greek": ("iso8859_7", "Το ξενοδοχείο ήταν πολύ καθαρό και το προσωπικό εξυπηρετικό. Δεν μου άρεσε καθόλου το φαγητό."),
    "turkish": ("cp1254", "Ürün çok güzel, tavsiye ederim. Kargo hızlıydı ama paketleme kötüydü. Öğrenciler şehirde güneşli günleri seviyor."),
    "korean": ("euc_kr", "이 식당은 음식이 정말 맛있어요. 배송이 빠르고 품질도 좋습니다. 어제 친구와 함께 영화를 보았는데 재미있었다. 서울은 대한민국의 수도이며 인구가 가장 많은 도시이다. 다시는 구매하지 않겠습니다."),
    "japanese": ("shift_jis", "この商品はとても良いです。配送も早くて満足しています。昨日友達と一緒に映画を見に行きました。値段の割に品質が悪いと思います。"),
    "japanese_unix": ("euc_jp", "この商品はとても良いです。配送も早くて満足しています。昨日友達と一緒に映画を見に行きました。値段の割に品質が悪いと思います。"),
    "taiwanese": ("big5", "我覺得這家餐廳很好吃，服務也不錯，下次還會再來。這個產品的品質不如預期，寄到的時候已經壞了，客服的態度很差。"),
}  # fmt: skip
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-32")


def read(path: Path, content: bytes, **fields: object) -> str:
    """What comes out of a file as text, a line a record."""
    path.write_bytes(content)
    source = Format.model_validate({"kind": "text", "path": str(path), **fields})
    return "\n".join(record["text"] for record in source.read())


def pieces(text: str, length: int) -> list[str]:
    """Some pieces of a text of this many characters, that are more than ASCII."""
    rng = random.Random(0)
    starts = [rng.randrange(max(1, len(text) - length + 1)) for _ in range(12)]
    found = [text[start : start + length].strip() for start in starts]
    return [piece for piece in found if not piece.isascii()]


@pytest.mark.parametrize("length", [12, 25, 60, 10_000])
@pytest.mark.parametrize("name", FOREIGN)
def test_other_encodings_are_refused_with_a_sentence_that_asks_for_theirs(
    name: str, length: int, tmp_path: Path
) -> None:
    encoding, text = FOREIGN[name]
    wrong = []
    for piece in pieces(text, length):
        try:
            found = read(tmp_path / "a.txt", piece.encode(encoding))
        except Refusal as refusal:
            found = str(refusal)
        if "encoding" not in found:
            wrong.append(found)
    assert len(wrong) <= (1 if length < 20 else 0), wrong
    assert read(tmp_path / "a.txt", text.encode(encoding), encoding=encoding) == text


@pytest.mark.parametrize("encoding", UNICODE)
@pytest.mark.parametrize("name", FOREIGN)
def test_unicode_is_read_in_any_language(name: str, encoding: str, tmp_path: Path) -> None:
    text = FOREIGN[name][1]
    assert read(tmp_path / "a.txt", text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("Schöne Größe für Mädchen", "cp1252", "cp1252"),
        ("我覺得這家餐廳很好吃", "big5", "big5"),
        (FOREIGN["korean"][1], "euc_kr", "euc_kr"),
    ],
)
def test_the_likelier_encoding_is_named(text: str, encoding: str, guess: str, tmp_path: Path) -> None:
    with pytest.raises(
        Refusal, match=rf"a\.txt, line 2: can be read as GB18030, but is more likely {guess} .*encoding"
    ):
        read(tmp_path / "a.txt", b"plain\n" + text.encode(encoding))


def test_rows_in_another_encoding_are_not_kept_where_bad_rows_are_skipped(tmp_path: Path) -> None:
    rows = "\n".join(FOREIGN["french"][1].split(". ")).encode("cp1252")
    with pytest.warns(UserWarning, match="bad rows left out"):
        assert read(tmp_path / "a.txt", b"one\n" * 300_000 + rows, on_bad_row="skip").replace("one\n", "") == "one"


@pytest.mark.parametrize("text", ["很好", "好评\n差评", "质量不错", "我覺得這家餐廳很好吃", "联通", "一般般，还行。"])
def test_short_chinese_in_gb18030_is_read_without_a_question(text: str, tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", text.encode("gb18030")) == text


def real_texts() -> dict[str, list[str]]:
    """Chinese as people write it: reviews, news, questions, poems, dialogues."""
    with (DATA / "bdci_car_2018" / "train_2.csv").open(encoding="utf-8-sig") as file:
        cars = [row["content"] for row in islice(csv.DictReader(file), 3000)]
    news = [json.loads(line)["text"] for line in (DATA / "cluener2020" / "test.json").read_text().splitlines()]
    asked = [
        json.loads(line)["sentence1"]
        for line in next((DATA / "fewclue" / "bustm").glob("test*.json")).read_text().splitlines()
    ]
    songs = ["".join(poem["paragraphs"]) for poem in json.loads(next((DATA / "songci").glob("*.json")).read_text())]
    return {"cars": cars, "news": news, "asked": asked, "songs": songs}


def chinese(text: str) -> int:
    return len(re.findall("[\u4e00-\u9fff]", text))


@as_published
@pytest.mark.parametrize("encoding", ["gb18030", "gbk", *UNICODE])
def test_real_chinese_is_read_in_all_its_encodings(encoding: str, tmp_path: Path) -> None:
    rng = random.Random(0)
    seen = 0
    for name, texts in real_texts().items():
        wanted = 20 if name != "songs" else 40  # poems have characters of their own
        for text in rng.sample(texts, 60):
            piece = " ".join(text[: rng.choice([wanted + 5, 60, 1000])].split())
            if chinese(piece) < wanted:
                continue
            try:
                content = piece.encode(encoding)
            except UnicodeEncodeError:  # GBK has not every character
                continue
            seen += 1
            assert read(tmp_path / "a.txt", content) == piece
        whole = "\n".join(" ".join(text.split()) for text in texts[:500] if text.strip())
        assert read(tmp_path / "a.txt", whole.encode(encoding, "ignore")).startswith(whole[:20])
    assert seen > 100
