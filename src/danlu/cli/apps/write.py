"""`danlu app write`: texts from keywords, an outline or a style, with words that they must have."""

from pathlib import Path
from typing import Annotated

import typer

from danlu.machine.extra import needed

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
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0: all of this machine")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="file of the keys that may ask; danlu key makes one")] = None,
) -> None:
    """Write over HTTP, with a page: POST /v1/write.

    Must-have words are in every draft, as the search goes by them; length is counted in characters of Chinese, and in
    words of English.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        needed(package, "serve", "a server")
    from danlu.apps.write.routes import TONES, WRITER, Routes
    from danlu.apps.write.writer import refuse_no_tones, refuse_others
    from danlu.machine.terminal import say
    from danlu.serve.limits import Limits
    from danlu.serve.run import serve
    from danlu.serve.shelf import Place as Bundle
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

    def tell(line: str) -> None:
        say(line, err=True)

    writes, judges = _bundles(generator, tones, place, sample=sample)
    template = _form(form)
    places = [Bundle(WRITER, writes), *([Bundle(TONES, judges)] if judges else [])]

    def site(shelf: Shelf) -> Site:
        with shelf.lease(WRITER) as model:
            refuse_others(model.predictor.task, f"--generator {writes}")
        if judges:
            with shelf.lease(TONES) as model:
                refuse_no_tones(model.predictor.task, f"--tones {judges}")
        return Routes(template, judges is not None).site()

    serve(places, site=site, host=host, port=port, keys=keys, limits=Limits(), say=tell)


def draft(
    keywords: Annotated[list[str] | None, typer.Argument(help="what the text is about")] = None,
    *,
    word: Annotated[list[str] | None, typer.Option("--word", help="must stand in the text; may be given again")] = None,
    outline: Annotated[list[str] | None, typer.Option("--outline", help="a line of it; may be given again")] = None,
    style: Annotated[str, typer.Option(help="how it reads, in words")] = "",
    tone: Annotated[str, typer.Option(help="one of those that the bundle of --tones tells apart")] = "",
    at_least: Annotated[int | None, typer.Option(help="characters of Chinese, words of English")] = None,
    at_most: Annotated[int | None, typer.Option(help="the same, at most")] = None,
    drafts: Annotated[int, typer.Option(help="how many")] = 4,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0: the likeliest draft alone")] = 0.8,
    seed: Annotated[int, typer.Option(min=0, help="with another one, other drafts")] = 0,
    generator: Generator = None,
    tones: Tones = None,
    form: Form = None,
    sample: Sampled = False,
    place: Place = PLACE,
) -> None:
    """Write drafts, the best first, each with the reasons for its place."""
    from danlu.apps.write.shown import lines
    from danlu.apps.write.wish import Wish
    from danlu.apps.write.writer import drafts as written
    from danlu.bundle.bundle import load
    from danlu.language import default
    from danlu.machine.terminal import show

    wish = Wish(
        keywords=tuple(keywords or ()),
        outline=tuple(outline or ()),
        style=style,
        tone=tone,
        words=tuple(word or ()),
        at_least=at_least,
        at_most=at_most,
        drafts=drafts,
        temperature=temperature,
        seed=seed,
    ).checked()
    writes, judges = _bundles(generator, tones, place, sample=sample)
    with load(writes) as bundle:
        judge = load(judges) if judges else None
        try:
            for line in lines(written(bundle, wish, judge, _form(form)), wish, default()):
                show(line)
        finally:
            if judge is not None:
                judge.close()


def _bundles(generator: str | None, tones: str | None, place: Path, *, sample: bool) -> tuple[str, str | None]:
    """The folders of what writes and of what judges."""
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal

    if sample:
        if generator is not None:
            raise Refusal("--sample trains a writer, and --generator names one; leave one of them out")
        from danlu.apps.write.sampled import trained

        writer, judge = trained(place, lambda line: say(line, err=True))
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
