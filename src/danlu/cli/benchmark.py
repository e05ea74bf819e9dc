"""`danlu benchmark MODEL FOLDER`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from danlu.refusal import Refusal


def command(
    model: Annotated[str, typer.Argument(help="folder of a bundle or of a language model, or a name on the hub")],
    folder: Annotated[Path, typer.Argument(help="folder of MMLU, C-Eval or CMMLU as published, with dev/ and test/")],
    *,
    shots: Annotated[int, typer.Option(min=0, max=100, help="questions of dev shown before each, answered")] = 5,
    by: Annotated[str, typer.Option(help="letter: of the choices shown; text: the text of each")] = "letter",
    divide_by: Annotated[
        str | None, typer.Option(help="tokens, characters or nothing; a letter by nothing, a text by characters")
    ] = None,
    split: Annotated[str, typer.Option(help="which questions: test, val or dev")] = "test",
    subject: Annotated[list[str] | None, typer.Option(help="this one alone; may be given again")] = None,
    chat: Annotated[bool, typer.Option("--chat", help="put it as a user would, by the model's own template")] = False,
    output: Annotated[Path | None, typer.Option(help="folder for benchmark.json and scores")] = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16")] = "float32",
) -> None:
    """Take an examination of the form of MMLU, C-Eval or CMMLU by likelihood; accuracy by subject, with intervals."""
    import json

    from danlu.data.reading.subjects import read_subjects
    from danlu.evaluate.reporting.by_subject import benchmark_in_words
    from danlu.evaluate.reporting.telling import teller
    from danlu.evaluate.scoring.examine import write
    from danlu.language import default, translator
    from danlu.machine.files import refuse_unwritable, write_text
    from danlu.machine.terminal import show

    _one_of("--by", by, "letter", "text")
    divided = divide_by or ("nothing" if by == "letter" else "characters")
    _one_of("--divide-by", divided, "tokens", "characters", "nothing")
    _one_of("--split", split, "test", "val", "dev")
    _one_of("--precision", precision, "auto", "float32", "bfloat16")
    if split == "dev" and shots:
        raise Refusal("--split dev: its questions are those that are shown with their answers; give --shots 0 too")
    if output:
        refuse_unwritable(output / "scores.json")
    subjects = read_subjects(folder, split, shots=shots, only=subject or ())

    from danlu.prompt.benchmark import take_benchmark
    from danlu.prompt.scorer import open_scorer

    how: Any = {"by": by, "divide_by": divided, "chat": chat}
    seen = teller(sum(len(each.questions) for each in subjects))
    taken = take_benchmark(open_scorer(model, precision), subjects, **how, seen=seen)
    plain = {"folder": str(folder), "split": split, **taken.to_plain()}
    for line in benchmark_in_words(plain, default()):
        show(line)
    if output:
        write(output, taken.found)
        write_text(output / "benchmark.json", json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
        show(translator(default())("written to {folder}").format(folder=output))


def _one_of(option: str, value: str, *known: str) -> None:
    if value not in known:
        raise Refusal(f"{option} '{value}': expected {' or '.join(known)}")
