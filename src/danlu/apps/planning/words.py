"""A plan in words: a table, what does not fit, and which keys would make it fit."""

from collections.abc import Callable

from danlu.apps.planning.foretell import A_MACHINE, Foretold
from danlu.apps.planning.planned import THIS
from danlu.evaluate.reporting.wording import duration
from danlu.stages.size import flops

Say = Callable[[str], str]


def large(count: float) -> str:
    """Bytes in GB of 10^9, in MB where they are few."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e8 else f"{count / 1e6:,.3g} MB"


def short(seconds: float, _: Say) -> str:
    """A time that may be a few thousandths of a second."""
    return duration(seconds, _) if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"


def parts_of_memory(_: Say) -> dict[str, str]:
    """What memory is for."""
    return {
        "weights": _("weights"),
        "masters": _("float32 beside them"),
        "gradients": _("sums of gradients"),
        "optimizer": _("moments of the optimizer"),
        "copies": _("average and best weights"),
        "gathered": _("gathered weights of other devices"),
        "frozen": _("networks that the loss reads"),
        "activations": _("activations of a batch"),
        "passing": _("gradients of a batch, on the way back"),
        "allocator": _("gaps between them"),
        "runtime": _("libraries and runtime"),
    }


def rows(found: Foretold, _: Say) -> list[tuple[str, str]]:
    """Short names with values: the whole first, then what it is made of."""
    terms, size, work = found.terms, found.size, found.work
    share = _("{share:.0%} of {rate} a second").format(
        share=terms.share, rate=flops(terms.device.speed(terms.precision))
    )
    sent = _("{bytes}, {seconds}, {share:.0%} of it hidden").format(
        bytes=large(found.sent), seconds=short(found.sending, _), share=terms.overlap
    )
    unknown = _("not known; give --tokens")
    told = [
        (_("devices"), f"{terms.count} × {terms.device.name}, {found.parallel or _('alone')}, {terms.precision}"),
        (_("memory of a device, of what it has"), f"{large(found.held)} / {large(found.room)}"),
        *((f"  {parts_of_memory(_)[name]}", large(count)) for name, count in found.memory.items()),
        (_("time"), unknown if found.seconds is None else "≈ " + short(found.seconds, _)),
        (_("cost"), "–" if found.cost is None else f"≈ {found.cost:,.2f}"),
        (_("steps, tokens a step"), f"{'–' if found.steps is None else f'{found.steps:,}'}, {found.step_tokens:,.0f}"),
        (_("tokens"), unknown if found.tokens is None else f"{found.tokens:,.0f}"),
        (_("time of a step"), short(found.step_seconds, _)),
        (_("speed, measured") if terms.measured else _("speed, assumed"), share),
        (_("largest batch"), _("{rows} rows × {width} tokens").format(rows=found.largest[0], width=found.largest[1])),
        (_("parameters, in embeddings, trained"), ", ".join(_millions(size.parameters, size.embeddings, size.trained))),
        (_("operations a token: forward, in training"), f"{flops(work.forward)}, {flops(work.training)}"),
    ]
    return told if terms.count == 1 else [*told, (_("sent by a device in a step"), sent)]


def _millions(*counts: int) -> list[str]:
    return [f"{count / 1e6:,.2f} M" for count in counts]


def notes(found: Foretold, _: Say) -> list[str]:
    """What was taken for granted."""
    told = []
    if found.assumed:
        told.append(_("the recipe has no 'train.parallel'; counted as {parallel}").format(parallel=found.parallel))
    if found.auto and found.terms.device.name != THIS:
        told.append(_("'size: auto' has chosen the size by the speed of this machine; on those devices it is another"))
    if found.terms.tokens and found.tokens and not 0.9 < (times := found.tokens / found.terms.tokens) < 1.1:
        told.append(
            _(
                "--tokens counts the data once; {times:.3g} times as many are learnt, as 'train.epochs' or "
                "'train.steps' says"
            ).format(times=times)
        )
    if found.idle:
        told.append(
            _(
                "{idle} of {count} devices have no row of a usual step; raise 'train.accumulate', or lower the task's "
                "'max_length' for shorter rows"
            ).format(idle=found.idle, count=found.terms.count)
        )
    if found.terms.count > A_MACHINE:
        told.append(
            _("more than {count} devices: the link between machines counts, {speed:,.0f} GB/s").format(
                count=A_MACHINE, speed=min(found.terms.device.link, found.terms.device.network) / 1e9
            )
        )
    return told


def warnings(found: Foretold, _: Say) -> list[str]:
    """By how much it does not fit, and what each key would do."""
    if found.fits:
        return []
    over = large(found.held - found.room)
    told = [_("it does not fit: a device would hold {over} more than it has").format(over=over)]
    for remedy in found.remedies:
        words = _("{keys}: {held}, fits") if remedy.fits else _("{keys}: {held}, not enough")
        told.append(words.format(keys=remedy.keys, held=large(remedy.memory)))
    return told
