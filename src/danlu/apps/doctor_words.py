"""What the doctor found, in words: facts, and what should be looked at before a run."""

from collections.abc import Callable

from danlu.apps.data_profile import leaks_in_words
from danlu.apps.doctor import DataFacts, TrainingFacts
from danlu.evaluate.reporting.wording import duration
from danlu.stages.size import flops

Say = Callable[[str], str]

PADDING = 0.3  # share of a batch from which it is worth a word
UNKNOWN = 0.01  # share of the tokens
RARE = 20  # times that the commonest label may be as frequent as the rarest
ROOM = 0.9  # share of the memory
MOST = 0.5  # share of the weights from which training fewer of them saves memory
FEW = 10  # steps, in which nothing much can be learnt


def split_names(_: Say) -> dict[str, str]:
    """The splits as tables name them."""
    return {"train": _("for training"), "validation": _("for validation"), "test": _("for testing")}


def facts_of_data(found: DataFacts, _: Say) -> list[tuple[str, str]]:
    """Short names with values."""
    names = split_names(_)
    told = [(names[split], f"{rows:,}") for split, rows in found.rows.items()]
    if found.augmented:
        told.append((_("of these made by augmenters"), f"{found.augmented:,}"))
    return told


def facts_of_training(found: TrainingFacts, _: Say) -> list[tuple[str, str]]:
    """Short names with values: time and memory first."""
    dry, tokens = found.dry, found.tokens
    return [
        (_("time"), "≈ " + duration(dry.seconds + found.validation_seconds, _)),
        (_("of it validating"), "≈ " + duration(found.validation_seconds, _)),
        (_("steps, in an epoch"), f"{dry.steps:,}, {dry.steps_an_epoch:,}"),
        (_("memory, of what there is"), f"{gigabytes(dry.bytes)} / {gigabytes(dry.room)}"),
        (_("largest batch"), _("{rows} rows × {width} tokens").format(rows=dry.largest[0], width=dry.largest[1])),
        (_("padding"), f"{dry.padding:.1%}"),
        (_("parameters, in embeddings, trained"), ", ".join(f"{count / 1e6:,.2f} M" for count in _sizes(found))),
        *([(_("operations a token: forward, in training"), _costs(found))] if found.work else []),
        (_("number format"), found.precision),
        (_("records, rows"), f"{found.records:,}, {tokens.rows:,}"),
        (_("tokens"), f"{tokens.total:,}"),
        (_("tokens that the loss counts"), f"{tokens.learnt / max(1, tokens.total):.1%}"),
        (_("tokens a row: half, most, limit"), _row_lengths(found)),
        (_("unknown tokens"), f"{tokens.unknown_share:.2%}"),
        (_("records cut off"), f"{tokens.cut_records:,}"),
        (_("records in several windows"), f"{tokens.split_records:,}"),
    ]


def warnings_of_data(found: DataFacts, _: Say) -> list[str]:
    """Sentences on what would mislead or fail."""
    told = leaks_in_words(found.leaked, _)
    names = {"validation": _("validation"), "test": _("test")}
    counts = found.labels.get("train", {})
    if len(counts) > 1 and max(counts.values()) >= RARE * min(counts.values()):
        common, rare = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
        uneven = _("'{common}' is {times:,.0f} times as frequent as '{rare}' ({count:,}); see the augmenter 'balance'")
        told.append(uneven.format(common=common, rare=rare, times=counts[common] / counts[rare], count=counts[rare]))
    for split, there in found.labels.items():
        absent = sorted(set(there) - set(counts))
        if absent:
            told.append(
                _("'{label}' occurs in {split} but never in training").format(
                    label=absent[0], split=names.get(split, split)
                )
            )
    return told


def warnings_of_training(found: TrainingFacts, _: Say) -> list[str]:
    """Sentences on what is lost, or will not fit."""
    tokens, dry, told = found.tokens, found.dry, []
    if tokens.cut:
        share = tokens.cut / (tokens.total + tokens.cut)
        cut = _("{records:,} records lose their ends, {tokens:,} tokens ({share:.1%}); see 'too_long' and 'max_length'")
        told.append(cut.format(records=tokens.cut_records, tokens=tokens.cut, share=share))
    if tokens.widened:
        told.append(
            _("{spans:,} entities begin or end inside a token and are not labelled exactly").format(
                spans=tokens.widened
            )
        )
    if tokens.unlearnt:
        told.append(_("in {rows:,} rows the loss counts nothing at all").format(rows=tokens.unlearnt))
    if tokens.unknown_share >= UNKNOWN:
        shown = " ".join(tokens.unknown)
        told.append(
            _("{share:.1%} of the tokens are unknown to the tokenizer, such as {shown}").format(
                share=tokens.unknown_share, shown=shown
            )
        )
    if dry.steps < FEW:
        few = _("the whole training is {steps:,} steps; lower 'batch_tokens', or train for more 'epochs'")
        told.append(few.format(steps=dry.steps))
    if dry.padding >= PADDING:
        told.append(_("{share:.0%} of each batch is padding; see 'batch_tokens'").format(share=dry.padding))
    if dry.faster:
        quick = _("with '{setting}: {size}' a second computes {gain:.0%} more tokens here, in steps of another size")
        told.append(quick.format(setting=dry.faster.setting, size=dry.faster.size, gain=dry.faster.gain))
    if dry.bytes > ROOM * dry.room:
        told.append(
            _("the largest batch takes {bytes} of {room}; lower 'batch_tokens' or 'max_length'").format(
                bytes=gigabytes(dry.bytes), room=gigabytes(dry.room)
            )
        )
        if found.size.trained > MOST * found.size.parameters:
            told.append(
                _(
                    "{trained:,.0f} M weights are trained; 'tuning: lora' trains few of them and needs less memory"
                ).format(trained=found.size.trained / 1e6)
            )
    return told


def gigabytes(count: int) -> str:
    """Bytes as GB of 10^9."""
    return f"{count / 1e9:,.1f} GB"


def _sizes(found: TrainingFacts) -> tuple[int, int, int]:
    return found.size.parameters, found.size.embeddings, found.size.trained


def _costs(found: TrainingFacts) -> str:
    return f"{flops(found.work.forward)}, {flops(found.work.training)}" if found.work else ""


def _row_lengths(found: TrainingFacts) -> str:
    percentiles = found.tokens.lengths.percentiles
    limit = "∞" if found.tokens.limit >= 2**20 else f"{found.tokens.limit:,}"
    return f"{percentiles['50']:,.0f}, {percentiles['100']:,.0f}, {limit}"
