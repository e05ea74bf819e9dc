"""Files: which of them are meant, and of which split each is."""

import pytest

from danlu.apps.guessing.files import find_files
from danlu.apps.guessing.split_names import split_of
from danlu.refusal import Refusal

SPLITS = [
    ("train.csv", "train"),
    ("wnut17train.conll", "train"),
    ("SICK_train.txt", "train"),
    ("train-00000-of-00002.parquet", "train"),
    ("trainset.json", "train"),
    ("emerging.dev.conll", "validation"),
    ("valid.txt", "validation"),
    ("val.tsv", "validation"),
    ("test_public.json", "test"),
    ("emerging.test.annotated", "test"),
    ("untrained.csv", None),
    ("latest.csv", None),
    ("values.csv", None),
    ("device.csv", None),
    ("reviews.csv", None),
    ("训练集.csv", "train"),
    ("酒店评论训练集.csv", "train"),
    ("评论_训练.csv", "train"),
    ("訓練資料集.csv", "train"),
    ("验证集.tsv", "validation"),
    ("校验.tsv", "validation"),
    ("开发集.txt", "validation"),
    ("测试集1.json", "test"),
    ("test_测试数据.json", "test"),
    ("验证码.csv", None),
    ("软件测试.csv", None),
    ("训练营.csv", None),
]


@pytest.mark.parametrize(("name", "split"), SPLITS, ids=[name for name, _ in SPLITS])
def test_the_name_of_a_file_tells_its_split(name, split):
    assert split_of(name) == split


def made(place, names):
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return place


FOLDERS = [
    (["train.csv", "dev.csv", "test.csv", "README.md", "labels.txt"], {"train": 1, "validation": 1, "test": 1}),
    (["a.csv", "README.md"], {"train": 1}),
    (["citations.jsonl", "LICENSE.txt"], {"train": 1}),
    (["xquad.en.json", "CC-BY-SA4.0.txt", "LICENSE.txt", "COPYING.txt"], {"train": 1}),
    (["1.txt", "2.txt", "3.md"], {"train": 1}),
    (["neg.txt", "pos.txt"], {"train": 2}),
    (["neg/1.txt", "pos/1.txt"], {"train": 2}),
    (["train/neg/1.txt", "train/pos/1.txt", "test/neg/1.txt", "train/unsup/1.txt"], {"train": 2, "test": 1}),
    (["neg/1.txt", "pos/1.txt", "urls_neg.txt", "urls_pos.txt"], {"train": 2}),
    (["a/1.txt", "b/1.txt", "1.txt"], {"train": 1}),
    (["a/1.ann", "a/1.txt"], {"train": 1}),
    (["train-0.parquet", "train-1.parquet", "validation-0.parquet"], {"train": 2, "validation": 1}),
    (["reviews.csv", "test.csv"], {"train": 1, "test": 1}),
    (["a.csv", "b.csv", "valid.csv", "test.csv"], {"train": 2, "validation": 1, "test": 1}),
    (["test-0.parquet", "test-1.parquet"], {"train": 1}),
    (["1.txt", "2.txt", "test.txt"], {"train": 1}),
    (["neg.txt", "pos.txt", "test.txt"], {"train": 2, "test": 1}),
    (["intro.txt", "setup.txt", "test.md"], {"train": 1}),
    (["corpus.zh.txt", "valid.zh.txt", "test.zh.txt"], {"train": 1, "validation": 1, "test": 1}),
    (["news.md", "valid.md", "test.md"], {"train": 1, "validation": 1, "test": 1}),
    (["train/a.csv", "train_part2/a.csv", "train.v3/a.csv", "dev/a.csv"], {"train": 3, "validation": 1}),
    (["train/a.csv", "train_old/b.jsonl", "dev/a.csv"], {"train": 1, "validation": 1}),
    (["train-1/a.csv", "train-2/a.csv", "test/a.csv", "train_logs/a.log"], {"train": 2, "test": 1}),
    (["训练集.csv", "测试集.csv"], {"train": 1, "test": 1}),
    (["评论_训练.csv", "评论_开发.csv", "测试数据.csv"], {"train": 1, "validation": 1, "test": 1}),
    (["产品.txt", "开发.txt", "测试.txt", "运维.txt"], {"train": 4}),
    (["房地产开发数据.csv", "房地产销售数据.csv"], {"train": 1}),
    (["软件使用数据.csv", "软件测试数据.csv", "软件测试集.csv"], {"train": 2, "test": 1}),
    (["训练集/a.csv", "验证集/a.csv", "测试集/a.csv"], {"train": 1, "validation": 1, "test": 1}),
]


@pytest.mark.parametrize(("names", "counts"), FOLDERS, ids=[names[0] for names, _ in FOLDERS])
def test_a_folder_gives_its_splits(names, counts, tmp_path):
    found = find_files(str(made(tmp_path, names)))
    assert {split: len(given) for split, given in found.splits.items()} == counts


BESIDE = [
    (
        "sst_train.tsv",
        ["cola_train.tsv", "cola_dev.tsv", "sst_dev.tsv", "sst_test.tsv"],
        ["sst_dev.tsv", "sst_test.tsv"],
    ),
    ("sst_train.tsv", ["cola_train.tsv", "cola_dev.tsv"], []),
    (
        "wnut17train.conll",
        ["emerging.dev.conll", "emerging.test.annotated"],
        ["emerging.dev.conll", "emerging.test.annotated"],
    ),
    ("train.csv", ["dev.csv", "test_public.csv", "other_test.csv"], ["dev.csv", "other_test.csv", "test_public.csv"]),
    (
        "train-00000-of-00002.parquet",
        ["train-00001-of-00002.parquet", "test-00000-of-00001.parquet"],
        ["test-00000-of-00001.parquet"],
    ),
    ("训练集.csv", ["验证集.csv", "测试集.csv"], ["测试集.csv", "验证集.csv"]),
    ("酒店训练集.csv", ["书训练集.csv", "酒店测试集.csv", "书测试集.csv"], ["酒店测试集.csv"]),
]


@pytest.mark.parametrize(("name", "others", "taken"), BESIDE, ids=[name for name, _, _ in BESIDE])
def test_splits_of_another_data_set_are_not_taken(name, others, taken, tmp_path):
    found = find_files(str(made(tmp_path, [name, *others]) / name))
    beside = [given.path for split, each in found.splits.items() if split != "train" for given in each]
    assert sorted(path.rpartition("/")[2] for path in beside) == taken


@pytest.mark.parametrize("folder", ["a [v2]", "b?", "c*", "plain"])
def test_signs_of_patterns_in_a_name_are_a_name(folder, tmp_path):
    (tmp_path / folder).mkdir()
    place = made(tmp_path / folder, ["train.csv", "dev.csv", "test.csv"])
    assert set(find_files(str(place / "train.csv")).splits) == {"train", "validation", "test"}
    (tmp_path / folder / "more").mkdir()
    several = made(tmp_path / folder / "more", ["one.jsonl", "two.jsonl"])
    found = find_files(str(several)).splits["train"]
    assert len(found) == (1 if folder == "plain" else 2)


def test_a_folder_of_several_data_sets_is_refused(tmp_path):
    made(tmp_path, ["sst_train.tsv", "sst_dev.tsv", "cola_train.tsv", "cola_dev.tsv"])
    with pytest.raises(
        Refusal, match=r"holds several data sets \(cola, sst\).* name the training file of one, as .*cola_train.tsv"
    ):
        find_files(str(tmp_path))


def test_splits_to_test_on_are_not_learnt_from(tmp_path):
    found = find_files(str(made(tmp_path, ["reviews.csv", "test.csv"])))
    assert [given.path for given in found.splits["train"]] == [str(tmp_path / "reviews.csv")]
    (tmp_path / "reviews.csv").rename(tmp_path / "dev.csv")
    with pytest.raises(Refusal, match=r"for validation and test \(dev.csv, test.csv\) and none to learn from"):
        find_files(str(tmp_path))


def test_names_of_files_and_folders_are_labels_where_the_task_has_some(tmp_path):
    for names in (["news.txt", "books.txt"], ["news/1.txt", "books/1.txt"]):
        folder = made(tmp_path / names[0].replace("/", "-"), names)
        for labelled in (True, False):
            given = find_files(str(folder), labelled=labelled).splits["train"]
            assert ["constants" in each.fixed for each in given] == [labelled] * 2


@pytest.mark.parametrize("names", [["训练集.txt", "测试集.txt"], ["train_1.txt", "train_2.txt"]])
def test_a_split_is_no_label(names, tmp_path):
    found = find_files(str(made(tmp_path, names)))
    assert not [given for each in found.splits.values() for given in each if given.fixed]


@pytest.mark.parametrize("names", [["train/训练集1.txt", "train/训练集2.txt"], ["test_1.txt", "test_2.txt"]])
def test_parts_of_a_split_are_neither_labels_nor_documents(names, tmp_path):
    (given,) = find_files(str(made(tmp_path, names))).splits["train"]
    assert given.path.endswith("*.txt")
    assert not given.fixed


def test_files_of_several_kinds_and_none_are_refused(tmp_path):
    with pytest.raises(Refusal, match="holds no file that danlu reads"):
        find_files(str(tmp_path))
    with pytest.raises(Refusal, match="holds files of several kinds"):
        find_files(str(made(tmp_path, ["a.csv", "b.json"])))


def test_what_a_recipe_would_take_for_a_stage_is_written_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(made(tmp_path, ["@home.csv"]))
    assert find_files("@home.csv").splits["train"][0].path == "./@home.csv"


@pytest.mark.parametrize(
    ("inner", "splits"),
    [
        (["train", "test", "challenge", "extra"], {"train": "train", "test": "test"}),
        (["balanced", "validation"], {"train": "balanced", "validation": "validation"}),
        (["all"], {"train": "all"}),
    ],
)
def test_of_a_saved_set_the_split_that_is_called_so_is_for_training(inner, splits, tmp_path):
    made(tmp_path, ["dataset_dict.json", *(f"{name}/state.json" for name in inner)])
    found = find_files(str(tmp_path))
    assert {name: given[0].fixed["split"] for name, given in found.splits.items()} == splits
    assert set(found.ignored) == set(inner) - set(splits.values())


def test_the_names_of_classes_beside_files_of_their_kind_are_no_data(tmp_path):
    made(tmp_path, ["part0.json", "part1.json", "label_map.json"])
    found = find_files(str(tmp_path))
    assert sorted(given.path.rpartition("/")[2] for given in found.splits["train"]) == ["part0.json", "part1.json"]
