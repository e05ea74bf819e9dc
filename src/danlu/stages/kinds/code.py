"""Programs that a bundle writes, run with their tests: pass@k (Chen et al., 2021)."""

import ast
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self

from pydantic import Field, model_validator

from danlu.bundle.bundle import Bundle, load
from danlu.data.record import Record, text_of
from danlu.evaluate.scoring.pass_at_k import mean_pass_at_k
from danlu.evaluate.scoring.run_code import Ran, run_code
from danlu.language import translator
from danlu.machine.files import bytes_in_place, write_text
from danlu.model.policies.greedy import Greedy
from danlu.model.policy import Policy
from danlu.refusal import Refusal
from danlu.stages.sources import Data, bundle_folder, records_of
from danlu.stages.stage import Place, Stage
from danlu.task.columns import text_in

SCORES, PROGRAMS = "code.json", "programs.jsonl"
AT_ONCE = 2  # programs that run side by side: more of them would take each other's time

_SLOTS = re.compile(r"\{(text|answer|suffix|test)\}")
_MAIN = "unittest.main"
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Code(Stage):
    """Records with a `test`, a program that fails where the answer is wrong, to `code.json` and `programs.jsonl`.

    Programs run in processes of their own with limits of time, memory and output. That is no wall against one that
    means harm: it has the rights of whoever runs the recipe, network included.
    """

    bundle: str = Field(description="'@stage' that trained it, or the folder of a bundle")
    data: Data = Field(description="'@stage:split', or files; '@stage' alone is its test split")
    run_code: bool = Field(default=False, description="must be true: run what the model writes on this machine")
    policy: Policy = Field(default=Greedy(), description="how it is written; 'samples' of 'sample' are programs each")
    k: tuple[int, ...] = Field(default=(1,), min_length=1, description="of how many programs one has to pass")
    program: str = Field(
        default="{text}{answer}{suffix}\n{test}",
        description="what is run; of an answer with fences, the first block in them",
    )
    seconds: float = Field(default=10.0, gt=0, le=3600, description="that a program may take")
    memory: int = Field(default=1024, ge=64, description="MB that a program may take")
    adapter: str | None = Field(default=None, description="name of the bundle's adapter; None: what serves")

    @model_validator(mode="after")
    def _asked_for(self) -> Self:
        if not self.run_code:
            raise ValueError(
                "this stage runs programs that a model has written, on this machine, with your rights; where that is "
                "meant, write 'run_code: true'"
            )
        if any(not 1 <= k <= self.policy.texts for k in self.k):
            raise ValueError(
                f"'k' must be from 1 to the {self.policy.texts} programs that the policy writes for each record; write "
                "policy: {kind: sample, samples: ...} with as many as that"
            )
        return self

    @model_validator(mode="after")
    def _tests(self) -> Self:
        for slot in ("{answer}", "{test}"):
            if slot not in self.program:
                raise ValueError(f"'program' has no place {slot}, so nothing would be tested; write it in")
        return self

    def inputs(self) -> list[str]:
        """The bundle's folder, where it is no stage's; see `Part.inputs`."""
        return [] if self.bundle.startswith("@") else [self.bundle]

    def run(self, place: Place) -> None:
        """Write, run and count; see `Stage.run`. Nothing is left half-written, so nothing is resumed."""
        records = records_of(self.data, "test" if isinstance(self.data, str) else "train", place)
        if not records:
            raise Refusal("there are no records to write programs for; give a file or a split that is not empty")
        tests = [self._test(record, number) for number, record in enumerate(records)]
        passed = [0] * len(records)
        place.folder.mkdir(parents=True, exist_ok=True)
        with (
            load(bundle_folder(self.bundle, place), adapter=self.adapter) as bundle,
            bytes_in_place(place.folder / PROGRAMS) as file,
        ):
            for number, answer, ran in self._ran(bundle, records, tests):
                passed[number] += ran.passed
                line = {"record": number, "answer": answer, "passed": ran.passed, "why": ran.why, "said": ran.said}
                file.write(f"{json.dumps(line, ensure_ascii=True)}\n".encode())
        scores = {
            f"pass@{k}": mean_pass_at_k(self.policy.texts, passed, k, seed=place.seed) for k in dict.fromkeys(self.k)
        }
        plain: dict[str, Any] = {
            "records": len(records),
            "programs": self.policy.texts,
            "metrics": {name: value.to_plain() for name, value in scores.items()},
        }
        write_text(place.folder / SCORES, json.dumps(plain, indent=1) + "\n")
        _ = translator(place.language)
        for name, value in scores.items():
            told = _("{name}: {value:.4f} ({low:.4f} to {high:.4f}) of {records:,} problems, {programs} programs each")
            place.say(told.format(name=name, **vars(value), records=len(records), programs=self.policy.texts))

    def _ran(self, bundle: Bundle, records: list[Record], tests: list[str]) -> Iterator[tuple[int, str, Ran]]:
        """Each program with the number of its record and how it ended, in order."""
        run = partial(run_code, seconds=self.seconds, memory=self.memory << 20)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for number, written in enumerate(bundle.predictor.write(records, self.policy)):
                record = records[number]
                asked = bundle.task.answers_by == "generate"  # of whom who answers it goes on with no program
                around = ("", "") if asked else (text_of(record), record.get("suffix") or "")
                answers = [text.text for text in written]
                programs = [self._filled(around, answer, tests[number]) for answer in answers]
                for answer, ran in zip(answers, threads.map(run, programs), strict=True):
                    yield number, answer, ran

    def _filled(self, around: tuple[str, str], answer: str, test: str) -> str:
        fenced = _FENCED.search(answer)
        before, behind = around
        parts = {"text": before, "answer": fenced[1] if fenced else answer, "suffix": behind, "test": test}
        return _SLOTS.sub(lambda slot: parts[slot[1]], self.program)

    def _test(self, record: Record, number: int) -> str:
        """The test of a record; raises `Refusal` for one that every program would pass."""
        test = text_in(record, number, "test")
        if record.get("suffix") is not None and text_in(record, number, "suffix") and "{suffix}" not in self.program:
            raise Refusal(
                f"record {number + 1:,}: has a 'suffix', and 'program' has no place for it; write {{suffix}} in it"
            )
        try:
            steps = ast.parse(test).body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return test  # may be right behind the answer
        if any(map(_ends_the_program, steps)):
            raise Refusal(
                f"record {number + 1:,}: 'test' calls unittest.main(), which ends the program before it is known to "
                "have passed; write assert unittest.main(exit=False).result.wasSuccessful()"
            )
        behind = self.program.rpartition("{test}")[2].strip()
        if not any(map(_acts, steps)) and not (steps and behind):
            raise Refusal(
                f"record {number + 1:,}: 'test' tests nothing, so every program would pass; write what fails where an "
                "answer is wrong, such as assert f(1) == 2, or call what it defines"
            )
        return test


def _acts(step: ast.stmt) -> bool:
    """Whether a step of a test can fail: it does more than define, import or name plain values."""
    if isinstance(step, ast.Assign | ast.AnnAssign | ast.Expr):
        return not (step.value is None or _is_plain(step.value))
    return not isinstance(
        step, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass
    )


def _ends_the_program(step: ast.stmt) -> bool:
    """Whether a step calls `unittest.main` and asks nothing of what that says."""
    return any(
        isinstance(each, ast.Expr) and isinstance(each.value, ast.Call) and ast.unparse(each.value.func) == _MAIN
        for each in ast.walk(step)
    )


def _is_plain(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
