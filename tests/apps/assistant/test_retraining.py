"""The next version: compared before it answers, kept whole or not at all, and gone back from."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
import started

from danlu.apps.assistant import judging, retraining, tuning, versions
from danlu.apps.assistant.assistant import Assistant, Models
from danlu.apps.assistant.finding import Finder
from danlu.apps.assistant.folding import Entry
from danlu.apps.assistant.made import Case, made_cases, without_some
from danlu.apps.assistant.opening import Columns, begin, opened, take
from danlu.apps.assistant.ranking import FIRST_BAR, Ranking
from danlu.apps.assistant.retraining import compared, examined, retrain
from danlu.bundle.bundle import load
from danlu.machine.seed import generator
from danlu.refusal import Refusal


def there(assistant: Assistant) -> list[int]:
    with assistant.store.begin() as connection:
        return [version.number for version in versions.all_of(connection)]


def test_the_first_version_answers_and_tells_what_it_reaches_on_questions_that_had_no_part(
    assistant: Assistant,
) -> None:
    told = assistant.version.told
    assert assistant.version.number == 1
    assert told["after"]["hit"] > 0.7
    assert told["after"]["precision"] > 0.9
    assert told["after"]["refused"] > 0.8
    assert told["served"]


def test_what_is_no_better_is_kept_and_does_not_answer(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    ranking = assistant.version.ranking
    worse = Ranking({name: -weight for name, weight in ranking.weights.items()}, ranking.bar)
    monkeypatch.setattr(retraining, "fitted", lambda *_given: worse)
    found = retrain(assistant)
    assert not found.served
    assert found.after.hit < found.before.hit
    assert (assistant.version.number, there(assistant)) == (1, [1, 2])
    monkeypatch.setattr(retraining, "fitted", lambda *_given: ranking)
    assert retrain(assistant).served
    assert (assistant.version.number, there(assistant)) == (3, [1, 2, 3])
    with assistant.store.begin() as connection:
        assert versions.go_back(connection).number == 1  # not 2, which has never answered
    assert assistant.refresh()
    assert assistant.version.number == 1
    with assistant.store.begin() as connection:
        with pytest.raises(Refusal, match="no version before 1 that has answered; kept are: 1, 2, 3"):
            versions.go_back(connection)
        assert versions.go_back(connection, 2).number == 2


def test_judged_questions_do_not_find_themselves_where_versions_are_compared(assistant: Assistant) -> None:
    turn = assistant.ask("有没有学生折扣").turn
    assistant.judge(turn, "corrected", "学生凭学生证九折。", "desk")
    given = assistant.ask("退货要怎么弄").turn
    right = next(entry.id for entry in assistant.finder.known.entries.values() if "7 天内可以退货" in entry.answer)
    assistant.judge(given, "corrected", assistant.finder.known.entries[right].answer, "desk")
    with assistant.store.begin() as connection:
        cases = retraining.cases_of(judging.judgements(connection), assistant.finder.known)
    assert [case.question for case in cases] == ["有没有学生折扣", "退货要怎么弄"]
    found = examined(assistant.finder, cases)
    assert [each.right for each in found] == [right]  # the other answer has no question but its own
    phrase = next(iter(cases[1].phrases_aside))
    assert phrase not in {candidate.phrase for candidate in found[0][0]}
    assert compared(assistant.version.ranking, found).hit == 1.0


def test_made_questions_are_the_same_each_time_and_belong_to_one_part_for_good(assistant: Assistant) -> None:
    cases = made_cases(assistant.finder.known, seed=0)
    assert cases == made_cases(assistant.finder.known, seed=0)
    inside = [case for case in cases if case.right is not None]
    assert len(inside) * 2 == len(cases)
    assert not any(case.entries_aside for case in inside)
    shares = [case.held_out(0.3) for case in cases]
    assert 0.15 < sum(shares) / len(shares) < 0.45
    assert Case("a", "b").held_out(0.0) is False
    text = without_some("one two three four five six seven eight", generator(1, "test"))
    assert set(text.split()) < {"one", "two", "three", "four", "five", "six", "seven", "eight"}


@pytest.fixture
def little(tmp_path: Path) -> Iterator[Assistant]:
    """An assistant that knows six answers."""
    with opened(tmp_path / "little") as found:
        asked = {"怎么退货": "七天内可退", "怎么开发票": "在订单页申请", "包邮吗": "满九十九元包邮"}
        asked |= {"where is my parcel": "see My orders", "which cards": "all cards", "opening hours": "ten to seven"}
        found.store.add([Entry(f"e{n}", answer, "", (text,), 1) for n, (text, answer) in enumerate(asked.items())])
        found.refresh()
        yield found


def test_a_tuned_embedder_is_part_of_a_version_and_of_the_way_back(
    little: Assistant, tiny_bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "EPOCHS", 1)
    with (
        load(tiny_bundle("embed"), threads=1) as bundle,
        Assistant(little.store, little.folder, Models(embedder=bundle)) as assistant,
    ):
        found = retrain(assistant, tune=True, say=lambda _line: None)
        assert found.version.embedder is not None
        assert (little.folder / found.version.embedder / "danlu.json").is_file()
        with assistant.store.begin() as connection:
            versions.keep(connection, replace(found.version, number=2), serve=True)
        assistant.refresh()
        assert assistant.embedder is not bundle
        assert assistant.embedder is not None
        assert assistant.embedder.facts["base"] != bundle.facts["base"]
        assert assistant.ask("怎么退货？").version == 2
        with assistant.store.begin() as connection:
            versions.keep(connection, replace(versions.FIRST, number=3), serve=True)
        assistant.refresh()
        assert assistant.embedder is bundle


def test_what_was_fitted_with_an_embedder_is_not_fitted_anew_without_it(little: Assistant) -> None:
    ranking = Ranking(bar=replace(FIRST_BAR, models="another"))
    with little.store.begin() as connection:
        versions.keep(connection, replace(versions.FIRST, number=1, ranking=ranking), serve=True)
    with pytest.raises(Refusal, match="was fitted with an embedder; give it with --embedder"):
        retrain(little)
    said: list[str] = []
    begin(little, said.append)
    assert any("was fitted with another --embedder" in line for line in said)


def test_a_version_is_told_to_be_old_when_twice_as_much_is_known(assistant: Assistant, tmp_path: Path) -> None:
    said: list[str] = []
    known = len(assistant.finder.known.entries)
    for name, count in (("a", known), ("b", 1)):
        rows = "".join(f"how {name} {number} works,Look at page {name}{number} for it,use\n" for number in range(count))
        (tmp_path / f"{name}.csv").write_text(f"question,answer,intent\n{rows}")
        assert not any("anew" in line for line in said)
        take(assistant, tmp_path / f"{name}.csv", Columns(), said.append)
    assert said[-1] == (
        f"version 1 was fitted on {known} answers, and {2 * known + 1} are known; fit order and threshold anew with: "
        "danlu app assistant retrain"
    )
    with assistant.store.begin() as connection:  # an earlier danlu did not tell on how many
        versions.keep(connection, replace(assistant.version, number=2, told={}), serve=True)
    assistant.refresh()
    take(assistant, tmp_path / "a.csv", Columns(), said.append)
    assert "anew" not in said[-1]


def test_of_two_looks_at_once_one_opens_a_version(little: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Thread] = []
    open_version = Assistant._opened

    def slowly(self: Assistant, version: versions.Version) -> Finder:
        looks.append(Thread(target=self.refresh, daemon=True))
        looks[-1].start()
        looks[-1].join(0.3)  # the other look waits, or has opened it too
        return open_version(self, version)

    monkeypatch.setattr(Assistant, "_opened", slowly)
    with little.store.begin() as connection:
        versions.keep(connection, replace(versions.FIRST, number=1), serve=True)
    assert little.refresh()
    looks[0].join(30)
    assert len(looks) == 1
    assert little.ask("怎么退货").version == 1


def test_a_retrain_that_is_killed_before_its_last_step_leaves_the_old_version(little: Assistant) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from danlu.apps.assistant import versions\n"
        "from danlu.apps.assistant.opening import opened\n"
        "from danlu.apps.assistant.retraining import retrain\n"
        "keep = versions.keep\n"
        "def killed(*given):\n"
        "    keep(*given)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "with opened(Path(sys.argv[1])) as assistant:\n"
        "    retrain(assistant)\n"
        "    versions.keep = killed\n"
        "    retrain(assistant)\n"
    )
    words = [sys.executable, "-c", script, str(little.folder)]
    ended = started.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with opened(little.folder) as assistant:
        assert there(assistant) == [1]
        assert assistant.ask("怎么退货").kind == "past"
        assert retrain(assistant).version.number == 2  # what the killed one held is taken over


def test_no_question_that_versions_are_compared_on_is_learnt_from(
    little: Assistant, tiny_bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = little.finder.known
    held = [case for case in made_cases(known, seed=0) if case.held_out(retraining.HELD_OUT)]
    learnt: list[dict[str, object]] = []

    def run(recipe: dict[str, dict[str, dict[str, dict[str, str]]]], **_settings: object) -> None:
        path = recipe["stages"]["embedder"]["data"]["path"]
        learnt.extend(map(json.loads, Path(path).read_text().splitlines()))
        raise Refusal("enough")

    monkeypatch.setattr(tuning.danlu, "run", run)
    with load(tiny_bundle("embed"), threads=1) as bundle, pytest.raises(Refusal, match="enough"):
        tuning.tuned(bundle, known, [], held, little.folder, lambda _line: None)
    texts = {row[side] for row in learnt for side in ("text", "text_pair")}
    made_of = {known.phrases[case.made_of].text for case in held if case.made_of}
    assert learnt
    assert made_of
    assert not made_of & texts
