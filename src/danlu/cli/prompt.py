"""`danlu prompt MODEL TEMPLATE DATA`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.data.reading.settings import SETTINGS
from danlu.refusal import Refusal, of_file

if TYPE_CHECKING:
    from danlu.data.record import Record
    from danlu.evaluate.scoring.compare import Compared
    from danlu.prompt.answering import Told
    from danlu.prompt.examined import Examined
    from danlu.text.prompting.template import PromptTemplate

    Asked = tuple[list[Record], list[Record], str]

MOST_SHOWN = 4000  # characters of a prompt
MOST_ANSWERS = 20  # of a record, the likeliest


def command(
    model: Annotated[str, typer.Argument(help="folder of a bundle or of a language model, or a name on the hub")],
    files: Annotated[
        list[str],
        typer.Argument(metavar="TEMPLATE DATA [KEY=VALUE]...", help=f"a template, data with the truth, {SETTINGS}"),
    ],
    *,
    compare: Annotated[bool, typer.Option("--compare", help="give two templates before DATA: which is better")] = False,
    examples: Annotated[
        Path | None, typer.Option(help="file of the examples to show; of a prepare stage its training split")
    ] = None,
    split: Annotated[str | None, typer.Option(help="which split of a prepare stage; test")] = None,
    show: Annotated[int, typer.Option(min=0, max=1000, help="prompts to show as the model sees them")] = 1,
    output: Annotated[Path | None, typer.Option(help="folder for scores.json, errors.jsonl, answers.jsonl")] = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16")] = "float32",
    metric: Annotated[list[str] | None, typer.Option(help="another metric; may be given again")] = None,
    resamples: Annotated[int, typer.Option(help="draws of the bootstrap behind the intervals")] = 1000,
) -> None:
    """Classify by a prompt without training, show what the model saw, and score the answers.

    With --compare two templates are put to the same records, and their difference has a paired interval.
    """
    from danlu.evaluate.reporting.telling import teller
    from danlu.evaluate.scoring.examine import write
    from danlu.evaluate.scoring.metric import measures
    from danlu.evaluate.scoring.resample import refuse_resamples
    from danlu.language import default, translator
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import show as tell
    from danlu.text.prompting.template import read_template

    needed = 3 if compare else 2
    if len(files) < needed:
        raise Refusal(f"expected {'two templates' if compare else 'a template'} and a data file behind the model")
    if precision not in ("auto", "float32", "bfloat16"):
        raise Refusal(f"precision '{precision}': expected auto, float32 or bfloat16")
    if output and compare:
        raise Refusal("--output keeps the results of one template; leave out --compare, and compare two such folders")
    refuse_resamples(resamples)
    if output:
        refuse_unwritable(output / "scores.json")
    templates = [read_template(name) for name in files[: needed - 1]]
    measures(metric or (), templates[0].asks)  # forms of answers are called as their slots
    data, settings = files[needed - 1], files[needed:]
    asked = _asked(data, settings, split, examples, shots=any(each.shots for each in templates))
    how: dict[str, Any] = {"shown": show, "metrics": metric or (), "resamples": resamples}
    how["seen"] = teller(len(asked[0]))
    with of_file(data):
        compared, examined = _examined(model, precision, templates, asked, how)
    for name, template, found in zip(files, templates, examined, strict=False):
        _show_told(name, template, found)
        if compared is None:
            _show_scores(found, metric or (), resamples)
    if compared is not None:
        _show_comparison(compared, files)
    if output:
        write(output, examined[0].found)
        tell(translator(default())("written to {folder}").format(folder=output))


def _examined(
    model: str, precision: str, templates: "Sequence[PromptTemplate]", asked: "Asked", how: dict[str, Any]
) -> "tuple[Compared | None, list[Examined]]":
    """What came of one template, or of two and of their comparison; the data are looked at before the model."""
    from danlu.prompt.examined import compare_prompts, examine_prompt, with_truths
    from danlu.prompt.scorer import open_scorer

    records, pool, pool_name = asked
    for template in templates:
        with_truths(template, records)
    scorer = open_scorer(model, precision)
    if len(templates) == 1:
        return None, [examine_prompt(scorer, templates[0], records, pool, pool_name=pool_name, **how)]
    return compare_prompts(scorer, (templates[0], templates[1]), records, pool, pool_name=pool_name, **how)


def _asked(data: str, settings: list[str], split: str | None, examples: Path | None, *, shots: bool) -> "Asked":
    """The records to ask, the examples to show, and what messages call these."""
    from danlu.data.corpus.prepared import load as load_prepared
    from danlu.data.corpus.prepared import split_of
    from danlu.data.reading.format import guess

    folder = Path(data)
    prepared = folder.is_dir() and not settings
    chosen = split_of(data, split, "test", prepared=prepared)
    records = load_prepared(folder, chosen) if chosen else list(guess(data, settings=settings).read())
    if not records:
        raise Refusal(f"{data}: there are no records; give a file or a split that is not empty")
    if examples is not None:
        if not shots:
            raise Refusal(
                f"{examples}: the template shows no examples; write 'shots: 4' into it, or leave out --examples"
            )
        return records, list(guess(str(examples), settings=settings).read()), str(examples)
    if not shots:
        return records, [], ""
    if not prepared:
        raise Refusal("the template shows examples, and there are none; give a file of them with --examples")
    return records, load_prepared(folder, "train"), f"{data} (train)"


def _show_told(name: str, template: "PromptTemplate", examined: "Examined") -> None:
    """What the model saw of the first records, and what it said."""
    from danlu.language import default, translator
    from danlu.machine.terminal import console, show

    _ = translator(default())
    screen = console()
    if examined.left_out:
        told = _("{count:,} examples are among the records that are asked, and are not shown")
        screen.print(told.format(count=examined.left_out), style="dim")
    if examined.beyond:
        told = _("{count:,} records have a right answer that cannot be given: see 'longest_excerpt' and 'longest'")
        screen.print(told.format(count=examined.beyond), style="yellow")
    for number, told_of in enumerate(examined.told, start=1):
        screen.print(
            _("{template}, record {number}: what the model sees").format(template=name, number=number), style="bold"
        )
        screen.print(_prompt(told_of))
        truth = examined.found.side.gold[number - 1]
        for line in [*_table(template, told_of, truth, _), ""]:
            show(line)


def _prompt(told: "Told") -> Any:
    """The prompt with the word of the answer in it, in colour; of a long one the end."""
    from rich.text import Text

    from danlu.machine.terminal import visible

    mine = told.of_labels[int(told.shares.argmax())]
    word = told.words[max(mine, key=lambda each: told.scored[each].log_probability)]
    before = told.filled.before
    cut = "… " if len(before) > MOST_SHOWN else ""
    text = Text(cut + visible(before[-MOST_SHOWN:]))
    text.append(f"⟨{visible(word)}⟩", "bold green")
    text.append(visible(told.filled.after[:MOST_SHOWN]))
    return text


def _table(template: "PromptTemplate", told: "Told", truth: Any, _: Callable[[str], str]) -> list[str]:
    """A line a word: its label, how likely it is, the label's share without a text, and with it."""
    from danlu.evaluate.reporting.wording import in_columns, number
    from danlu.machine.terminal import on_one_line
    from danlu.prompt.answering import divided

    prejudice = told.prejudice
    head = [_("label"), _("word"), _("tokens"), _("log-likelihood"), _("share")]
    rows = [[*head, _("without text"), _("calibrated"), ""] if prejudice is not None else [*head, ""]]
    likeliest = sorted(range(len(told.labels)), key=lambda place: -told.shares[place])
    for place in sorted(likeliest[:MOST_ANSWERS]):
        label, mine = told.labels[place], told.of_labels[place]
        shares = [number(told.raw[place])]
        if prejudice is not None:
            shares += [number(prejudice[place]), number(told.shares[place])]
        for each in mine:
            scored = told.scored[each]
            cells = [label, on_one_line(told.words[each]), str(scored.tokens), number(divided(template, scored))]
            mark = "← " + _("truth") if told.form.right(place, told.words, truth) else ""
            rows.append([*cells, *shares, mark] if each == mine[0] else ["", *cells[1:], *[""] * len(shares), ""])
    return in_columns(rows)


def _show_scores(examined: "Examined", metric: Any, resamples: int) -> None:
    """The scores, and beside them those without calibration."""
    from danlu.evaluate.reporting.comparison import comparison_in_words
    from danlu.evaluate.reporting.wording import scores_in_words
    from danlu.language import default, translator
    from danlu.machine.terminal import show
    from danlu.prompt.examined import compare_sides

    _ = translator(default())
    for line in scores_in_words(examined.found.scores.to_plain(), default()):
        show(line)
    if examined.raw is not None:
        show("")
        compared = compare_sides(examined.task, examined.raw, examined.found.side, metric, resamples)
        for line in comparison_in_words(compared, (_("raw"), _("calibrated")), default())[:-1]:
            show(line)


def _show_comparison(compared: "Compared", files: list[str]) -> None:
    from danlu.evaluate.reporting.comparison import comparison_in_words
    from danlu.language import default
    from danlu.machine.terminal import show

    one, two = (Path(name).stem for name in files[:2])
    names = (one, two) if one != two else (files[0], files[1])
    for line in comparison_in_words(compared, names, default()):
        show(line)
