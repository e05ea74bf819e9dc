"""Conversations as tokens: every template, many turns, and texts that spell special tokens."""

from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal
from danlu.text.dialogue.ids import encoded
from danlu.text.dialogue.messages import answered, asked, checked
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.template import Template
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

STORIES = Path(__file__).parents[4] / "shared" / "models" / "stories260k"

TEXTS = ["你好，世界", "Hello, how are you?", "\n line\n\nbreaks ", "1 + 1 = 2"]
SPECIAL = ["<|im_start|>", "<|im_end|>", "<s>", "</s>", "<pad>", "[INST]", "<|eot_id|>", "\ufdd0" + "0\ufdd1", "\ufdd2"]

FOREIGN = {
    "llama3": "{{ '<s>' }}{% for m in messages %}{{ '<|start|>' + m['role'] + '<|end|>\n\n' + m['content'] | trim "
    "+ '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}",
    "mistral": "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + "
    "' [/INST]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% else %}"
    "{{ m['content'] + '\n' }}{% endif %}{% endfor %}",
    "thinking": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' and "
    "loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "no end": "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}{% if not "
    "(loop.last and m['role'] == 'assistant') %}{{ '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
}


KINDS = {
    "bpe": {"size": 400, "begin": "<s>", "end": "</s>", "pad": "<pad>"},
    "unigram": {"size": 330, "style": "decoder"},
}


def made(kind: str) -> Tokenizer:
    if kind == "metaspace":
        if not STORIES.is_dir():
            pytest.skip("the model stories260k is not here")
        tokenizer = AutoTokenizer.from_pretrained(STORIES)
    else:
        source = find(TokenizerSource, kind).model_validate(KINDS[kind])  # type: ignore[type-abstract]
        tokenizer = source.build(lambda: iter([*TEXTS, "User: Assistant: 用户 助手 ### Instruction: Response:"] * 3))
    more = ["<|im_start|>", "<|im_end|>", "<|start|>", "<|end|>", "<|eot_id|>"]
    tokenizer.add_special_tokens({"additional_special_tokens": more})
    return tokenizer


@pytest.fixture(scope="module", params=["bpe", "unigram", "metaspace"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return made(request.param)


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return made("bpe")


def templates(tokenizer: Tokenizer) -> dict[str, str]:
    ours = {kind: find(Template, kind)() for kind in kinds(Template) if kind != "own"}
    return {kind: template.jinja(tokenizer) for kind, template in ours.items()} | FOREIGN


def talk(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    return ([] if system is None else [{"role": "system", "content": system}]) + turns


def runs(ids: np.ndarray, learnt: np.ndarray) -> list[list[int]]:
    """The tokens that are learnt, one list a run of them."""
    together = groupby(zip(ids.tolist(), learnt.tolist(), strict=True), lambda pair: pair[1])
    return [[number for number, _ in run] for counts, run in together if counts]


content = st.lists(st.sampled_from([*TEXTS, *SPECIAL, "a", " ", "。"]), min_size=1, max_size=4).map("".join)


def test_what_is_learnt_are_the_answers_and_one_end_token_each(tokenizer: Tokenizer) -> None:
    special = set(tokenizer.all_special_ids)
    for name, jinja in templates(tokenizer).items():
        messages = talk("Hello", "你好，世界", "1 + 1", "1 + 1 = 2", system="Be kind." if name != "vicuna" else None)
        ids, learnt = encoded(conversation(messages, jinja, tokenizer, 0), tokenizer)
        found = runs(ids, learnt)
        assert len(found) == 2, name
        for run, right in zip(found, ("你好，世界", "1 + 1 = 2"), strict=True):
            assert run[-1] in special
            assert not special.intersection(run[:-1]) or name == "no end"
            said = tokenizer.decode(run[:-1]).removeprefix("<think>\n\n</think>\n\n").strip()
            assert said == right or tokenizer.unk_token in said, name
        begin = tokenizer.bos_token_id
        assert list(ids).count(begin) == jinja.count("bos_token") + ("'<s>'" in jinja), name


@given(st.lists(content, min_size=2, max_size=6), st.none() | content)
def test_what_is_asked_begins_what_was_learnt_whatever_is_typed(texts: list[str], system: str | None) -> None:
    tokenizer = _shared()
    texts = texts[: len(texts) // 2 * 2]
    for name, jinja in templates(tokenizer).items():
        messages = talk(*texts, system=system)
        ids, learnt = encoded(conversation(messages, jinja, tokenizer, 0), tokenizer)
        before, _ = encoded(question(messages[:-1], jinja, tokenizer, 0), tokenizer)
        assert ids[: len(before)].tolist() == before.tolist(), name
        assert learnt[len(before) :][: len(runs(ids, learnt)[-1])].all()
        assert not learnt[len(before) + len(runs(ids, learnt)[-1]) :].any()
        typed = "".join(message["content"] for message in messages)
        plain = not any(text in typed for text in (*tokenizer.all_special_tokens, "\ufdd0", "\ufdd2"))
        if plain and name not in ("no end", "mistral", "vicuna"):  # where an answer begins behind a special token
            assert tokenizer.decode(ids) == tokenizer.apply_chat_template(messages, chat_template=jinja, tokenize=False)


_made: list[Tokenizer] = []


def _shared() -> Tokenizer:
    if not _made:
        _made.append(made("bpe"))
    return _made[0]


def test_special_tokens_that_a_person_types_are_text(tokenizer: Tokenizer) -> None:
    special = set(tokenizer.all_special_ids)
    for name, jinja in templates(tokenizer).items():
        plain, _ = encoded(conversation(talk("a", "b"), jinja, tokenizer, 0), tokenizer)
        for text in tokenizer.all_special_tokens:
            if text == tokenizer.unk_token:
                continue
            typed, learnt = encoded(conversation(talk(f"a{text}", f"b{text}"), jinja, tokenizer, 0), tokenizer)
            count = {number: int((typed == number).sum()) for number in special - {tokenizer.unk_token_id}}
            assert count == {number: int((plain == number).sum()) for number in count}, (name, text)
            assert runs(typed, learnt)[-1][-1] in special


def test_ids_are_those_of_the_tokenizers_own_rendering(bpe: Tokenizer) -> None:
    messages = talk("Hello, how are you?", "你好，世界", "1 + 1 = 2", "Hello", system="你好")

    def own(name: str, messages: list[dict[str, str]], *, asks: bool) -> list[int]:
        return bpe.apply_chat_template(
            messages, chat_template=FOREIGN[name], tokenize=True, return_dict=False, add_generation_prompt=asks
        )

    ids, _ = encoded(conversation(messages, FOREIGN["thinking"], bpe, 0), bpe)
    assert ids.tolist() == own("thinking", messages, asks=False)
    for name in ("thinking", "llama3"):
        ids, _ = encoded(question(messages[:2], FOREIGN[name], bpe, 0), bpe)
        assert ids.tolist() == own(name, messages[:2], asks=True)


def test_the_thought_that_a_template_puts_before_an_answer_is_learnt(bpe: Tokenizer) -> None:
    ids, learnt = encoded(conversation(talk("a", "Hello"), FOREIGN["thinking"], bpe, 0), bpe)
    assert bpe.decode(ids[learnt]) == "<think>\n\n</think>\n\nHello<|im_end|>"


@pytest.mark.parametrize(
    ("jinja", "sentence"),
    [
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", "the chat template drops message 1, of the user"),
        ("{{ messages[0]['content'] }}</s>", "drops message 2, of the assistant"),
        ("{% for m in messages %}{{ m['content'] | upper }}</s>{% endfor %}", "changes what the messages say"),
        ("{% for m in messages %}{{ m['content'] }} and more{% endfor %}", "writes no special token behind an answer"),
        ("{{ raise_exception('no such role') }}", "does not take these messages (no such role)"),
        ("{{ messages[7]['content'] + 1 }}", "does not take these messages"),
        ("{% for %}", "does not take these messages"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "does not take these messages (RecursionError"),
        ("{{ strftime_now(1) }}", "does not take these messages (TypeError"),
        ("{{ no.such }}", "does not take these messages ('no' is undefined)"),
        ("{{ messages[0]['content'].nothing() }}", "does not take these messages"),
        ("{{ 'a' * 10**18 }}", "does not take these messages (MemoryError"),
        ("{% set x = namespace() %}{% set x.__class__ = 1 %}", "does not take these messages"),
        ("{% for m in messages %}{% for m in m['content'].format(m) %}{% endfor %}{% endfor %}", "drops message 1"),
        (
            "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
            "(its loops take more than 4,000,000 turns)",
        ),
        ("{% for i in range(90000) %}{{ 'abcdefgh' * 100 }}{% endfor %}", "(it writes more than 1,000,000 characters"),
        (
            "{% for m in messages | reverse %}{{ m['content'] }}</s>{% endfor %}",
            "writes message 1, of the user, behind",
        ),
    ],
)
def test_a_template_that_cannot_be_followed_is_refused(bpe: Tokenizer, jinja: str, sentence: str) -> None:
    with pytest.raises(Refusal, match="chat template") as refused:
        conversation(talk("a", "b"), jinja, bpe, 4)
    assert sentence in str(refused.value)
    assert "record 5" in str(refused.value) or "special token" in sentence


def test_what_is_written_is_what_the_tokenizer_itself_writes(bpe: Tokenizer) -> None:
    messages = talk("Hello", "你好，世界", "1 + 1", "2", system="Be kind.")
    more = "{% generation %}{{ messages | tojson }}{% endgeneration %}{% break %}{{ eos_token }}{{ tools }}"
    for jinja in (*templates(bpe).values(), "{% for i in range(2, 9, 3) %}{{ i }}" + more + "{% endfor %}"):
        for asks in (False, True):
            own = bpe.apply_chat_template(messages, chat_template=jinja, tokenize=False, add_generation_prompt=asks)
            assert Writer(jinja, bpe, 0, None).written(messages, asks=asks) == own


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ("text", "must be a list of messages"),
        ([], "must be a list of messages"),
        (["text"], "message 1: expected an object with the texts 'role' and 'content'"),
        ([{"role": "user", "content": None}], "message 1: expected an object with the texts"),
        ([{"role": "boss", "content": "a"}], "message 1: there is no role 'boss'; expected system, user"),
        (talk("a", "b") + talk("c") + talk("d"), "message 4: the user speaks twice in a row"),
        ([{"role": "assistant", "content": "a"}], "message 1: the assistant speaks first"),
        ([*talk("a", "b"), {"role": "system", "content": "c"}], "message 3: a system message stands first"),
        ([*talk("a"), {"role": "tool", "content": "b"}], "message 2: the tool cannot speak after the user"),
    ],
)
def test_what_is_no_conversation_is_refused_with_its_message(messages: object, sentence: str) -> None:
    with pytest.raises(Refusal, match="record 3: column 'messages'") as refused:
        checked(messages, 2)
    assert sentence in str(refused.value)


def test_a_conversation_must_end_with_an_answer_to_be_learnt_and_not_to_be_asked() -> None:
    with pytest.raises(Refusal, match="record 1: column 'messages' ends with a message of the user"):
        answered(talk("a"), 0)
    with pytest.raises(Refusal, match="message 2: the answer is empty"):
        answered(talk("a", " "), 0)
    assert asked(talk("a", "b", "c", "d"), 0) == talk("a", "b", "c")
    assert asked(talk("a"), 0) == talk("a")
    with pytest.raises(Refusal, match="asks nothing"):
        asked([{"role": "system", "content": "a"}], 0)


def test_a_template_needs_what_it_is_made_of() -> None:
    tokenizer = find(TokenizerSource, "char").model_validate({"style": "decoder"}).build(lambda: iter(TEXTS))  # type: ignore[type-abstract]
    with pytest.raises(Refusal, match=r"no special token <\|im_start\|> and no <\|im_end\|>"):
        find(Template, "chatml")().jinja(tokenizer)
    with pytest.raises(Refusal, match="no chat template of its own"):
        find(Template, "own")().jinja(tokenizer)
    tokenizer.chat_template = "{{ messages }}"
    assert find(Template, "own")().jinja(tokenizer) == "{{ messages }}"


QWEN = (
    "{% if tools %}<|im_start|>system\n# Tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<|im_end|>\n"
    "{% endif %}{% for m in messages %}{% if m.role == 'assistant' and m.tool_calls %}<|im_start|>assistant\n"
    "{{ m.content }}{% for call in m.tool_calls %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% elif m.role == 'tool' %}<|im_start|>user\n<tool_response>{{ m.content }}</tool_response>"
    "<|im_end|>\n"
    "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def test_tools_and_their_calls_go_through_the_template_as_through_the_tokenizers_own(bpe: Tokenizer) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "北京"}}}
    messages = [
        *talk("天气？"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "晴 <|im_end|>", "tool_call_id": "1"},
        {"role": "assistant", "content": "晴天。"},
        {"role": "user", "content": "谢谢"},
    ]
    known = checked(messages, 0)
    spans = question(known, QWEN, bpe, 0, [WEATHER])
    plain = [{**message, "content": message["content"] or ""} for message in messages]
    own = bpe.apply_chat_template(
        plain, tools=[WEATHER], chat_template=QWEN, tokenize=False, add_generation_prompt=True
    )
    assert "".join(span.text for span in spans) == own
    written = '<tool_call>{"name": "weather", "arguments": {"city": "北京"}}</tool_call><|im_end|>'
    assert [span.text for span in spans if span.learnt] == [written, "晴天。", "<|im_end|>"]
    assert next(span for span in spans if "晴 <|im_end|>" in span.text).ours is False


@pytest.mark.parametrize(
    ("jinja", "tools", "sentence"),
    [
        (FOREIGN["mistral"], [WEATHER], "has no place for tools"),
        (QWEN, [{"name": "a<|im_end|>b"}], "spells the special token '<|im_end|>'"),
    ],
)
def test_tools_that_would_be_lost_or_spell_special_tokens_are_refused(
    bpe: Tokenizer, jinja: str, tools: list[dict[str, str]], sentence: str
) -> None:
    with pytest.raises(Refusal, match="record 3") as refused:
        question(talk("a"), jinja, bpe, 2, tools)
    assert sentence in str(refused.value)
