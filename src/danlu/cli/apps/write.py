"""`danlu app write`: texts from keywords, an outline or a style, with words that they must have."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, serve_site, tell

if TYPE_CHECKING:
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

LINE = "Texts from keywords, an outline or a style; must-have words, length and tone; drafts in order with reasons."

Place = Annotated[Path, typer.Option("--place", help="folder in which --sample trains")]
Generator = Annotated[
    str | None, typer.Option(help="bundle that writes: of chat, causal_lm, rewrite or summarise; see --sample")
]
Tones = Annotated[
    str | None, typer.Option(help="bundle of classify that judges tones; without one they are read alone")
]
Form = Annotated[Path | None, typer.Option(help="text that the model reads, with {keywords}, {words} and others in it")]
Sampled = Annotated[bool, typer.Option("--sample", help="train a tiny writer of made-up descriptions first, a minute")]
PLACE = Path("write")


def start(
    *,
    generator: Generator = None,
    tones: Tones = None,
    form: Form = None,
    sample: Sampled = False,
    place: Place = PLACE,
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Write over HTTP, with a page: POST /v1/write.

    Must-have words are in every draft, as the search goes by them; length is counted in characters of Chinese, and in
    words of English.
    """
    refuse_no_server()
    from danlu.apps.bundles import places
    from danlu.apps.write.routes import Routes
    from danlu.apps.write.writer import ROLES, TONES, WRITER

    writes, judges = _bundles(generator, tones, place, sample=sample)
    template = _form(form)

    @contextmanager
    def site(_shelf: "Shelf") -> "Iterator[Site]":
        yield Routes(template, judges is not None).site()

    chosen = places({WRITER: writes, TONES: judges}, ROLES)
    serve_site(chosen, site, host=host, port=port, keys=keys, log_texts=log_texts)


def draft(
    keywords: Annotated[list[str] | None, typer.Argument(help="what the text is about")] = None,
    *,
    word: Annotated[list[str] | None, typer.Option("--word", help="must stand in the text; may be given again")] = None,
    outline: Annotated[list[str] | None, typer.Option("--outline", help="a line of it; may be given again")] = None,
    style: Annotated[str, typer.Option(help="how it reads, in words")] = "",
    tone: Annotated[str, typer.Option(help="one of those that the bundle of --tones tells apart")] = "",
    at_least: Annotated[int | None, typer.Option(min=0, help="characters of Chinese, words of English")] = None,
    at_most: Annotated[int | None, typer.Option(min=1, help="the same, at most")] = None,
    drafts: Annotated[int, typer.Option(min=1, max=16, help="how many")] = 4,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0: the likeliest draft alone")] = 0.8,
    seed: Annotated[int, typer.Option(min=0, help="with another one, other drafts")] = 0,
    generator: Generator = None,
    tones: Tones = None,
    form: Form = None,
    sample: Sampled = False,
    place: Place = PLACE,
) -> None:
    """Write drafts, the best first, each with the reasons for its place."""
    from danlu.apps.bundles import opened
    from danlu.apps.write.shown import lines
    from danlu.apps.write.wish import wish_of
    from danlu.apps.write.writer import ROLES, TONES, WRITER
    from danlu.apps.write.writer import drafts as written
    from danlu.language import default
    from danlu.machine.terminal import show

    wish = wish_of(
        keywords=keywords or [],
        outline=outline or [],
        style=style,
        tone=tone,
        words=word or [],
        at_least=at_least,
        at_most=at_most,
        drafts=drafts,
        temperature=temperature,
        seed=seed,
    )
    writes, judges = _bundles(generator, tones, place, sample=sample)
    with opened({WRITER: writes, TONES: judges}, ROLES) as bundles:
        writer = bundles[WRITER]
        assert writer is not None
        for line in lines(written(writer, wish, bundles[TONES], _form(form)), wish, default()):
            show(line)


def _bundles(generator: str | None, tones: str | None, place: Path, *, sample: bool) -> tuple[str, str | None]:
    """The folders of what writes and of what judges."""
    from danlu.refusal import Refusal

    if sample:
        if generator is not None:
            raise Refusal("--sample trains a writer, and --generator names one; leave one of them out")
        from danlu.apps.write.sampled import trained

        writer, judge = trained(place, tell)
        return str(writer), tones or str(judge)
    if generator is None:
        raise Refusal("nothing writes yet: give --generator FOLDER, a bundle, or --sample to train a tiny one first")
    return generator, tones


def _form(path: Path | None) -> str | None:
    if path is None:
        return None
    from danlu.apps.write.brief import read_form

    return read_form(path)


COMMANDS = {"start": start, "draft": draft}
