"""The door: whatever a library raises, or a json file holds, is one sentence."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from danlu.machine.door import DEEPEST_JSON, content_digest, file_inside, in_brief, opened, read_json, staged
from danlu.refusal import Refusal

RAISED = [
    ValueError("a\nb"),
    KeyError("x"),
    OSError(2, "gone"),
    RecursionError("deep"),
    AssertionError(),
    TypeError("t"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_what_libraries_raise_is_one_sentence(error: Exception) -> None:
    with pytest.raises(Refusal, match=r"^place: is odd \(.+\); mend it$") as told, opened("place", "is odd", "mend it"):
        raise error
    assert "\n" not in str(told.value)


def test_a_panic_of_rust_is_one_sentence() -> None:
    with pytest.raises(Refusal, match=r"^place: is odd \(.+\); mend it$"), opened("place", "is odd", "mend it"):
        raise type("PanicException", (BaseException,), {})("called unwrap on None")


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SystemExit(3), Refusal("mine")])
def test_what_is_none_of_a_librarys_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as told, opened("place", "is odd", "mend it"):
        raise error
    assert told.value is error


def test_long_words_are_cut_and_empty_ones_are_named() -> None:
    assert in_brief(AssertionError()) == "AssertionError"
    assert in_brief(KeyError("x")) == "no 'x'"
    assert len(in_brief(ValueError("x" * 10**6))) < 400


NOT_JSON = [
    b"", b"{", b"[]", b"1", b"null", b"\xff\xfe", b'{"a": "\\ud800"}', b'{"a": "\xed\xa0\x80"}', b"[" * 100_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"a": ' + b"9" * 5000 + b"}", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", b"{} {}",
]  # fmt: skip


@pytest.mark.parametrize("data", NOT_JSON, ids=range(len(NOT_JSON)))
def test_json_that_is_none_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(data)
    with pytest.raises(Refusal, match=r"x\.json: .*; mend it$") as told:
        read_json(tmp_path / "x.json", "mend it")
    assert "\n" not in str(told.value)


def test_json_is_read_up_to_the_bounds_and_not_beyond(tmp_path: Path) -> None:
    inner: Any = 1
    for _ in range(DEEPEST_JSON - 1):
        inner = [inner]
    (tmp_path / "x.json").write_text(json.dumps({"a": inner, "b": "好\u2028"}))
    assert read_json(tmp_path / "x.json", "mend it") == {"a": inner, "b": "好\u2028"}
    with pytest.raises(Refusal, match="more than 10 bytes"):
        read_json(tmp_path / "x.json", "mend it", most=10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name here")
def test_a_pipe_a_folder_and_a_loop_of_links_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("pipe", ".", "loop", "missing"):
        with pytest.raises(Refusal):
            read_json(tmp_path / name, "mend it")
        with pytest.raises(Refusal):
            file_inside(tmp_path, name)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/../../secret", "link", "folder/secret"])
def test_a_file_that_lies_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path)
    with pytest.raises(Refusal, match="outside of the folder"):
        file_inside(folder, name)
    with pytest.raises(Refusal, match="outside of the folder"), staged(folder, [name], {}):
        pass


def test_links_within_the_folder_and_to_the_blobs_of_the_hubs_cache_are_followed(tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "1", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "f00d").write_text("{}")
    (snapshot / "config.json").symlink_to(Path("../../blobs/f00d"))
    (snapshot / "other.json").symlink_to("config.json")
    assert read_json(file_inside(snapshot, "other.json"), "") == {}
    (tmp_path / "whole").symlink_to(snapshot)  # the folder itself may be a link
    assert file_inside(tmp_path / "whole", "config.json").is_file()
    with staged(snapshot, ["config.json"], {"settings.json": {"a": 1}}) as stage:
        assert sorted(path.name for path in stage.iterdir()) == ["config.json", "settings.json"]
        assert read_json(stage / "config.json", "") == {}
    assert not stage.exists()
    assert (blobs / "f00d").exists()


def test_the_digest_does_not_depend_on_the_order_of_keys_and_leaves_itself_out() -> None:
    assert content_digest({"b": [1, "好"], "a": None, "digest": "x"}) == content_digest({"a": None, "b": [1, "好"]})
    assert content_digest({"a": 1}) != content_digest({"a": "1"})


def test_a_real_panic_or_error_of_tokenizers_is_one_sentence() -> None:
    with pytest.raises(Refusal, match="place"), opened("place", "is odd", "mend it"):
        tokenizers.Tokenizer.from_str('{"model": {"type": "BPE"}}')
