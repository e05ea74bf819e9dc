"""`danlu app recommend`: lists of what users may want, from texts of items and what users have done."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, serve_site, tell

if TYPE_CHECKING:
    from danlu.apps.bundles import Given
    from danlu.apps.recommend.recommender import Recommender
    from danlu.bundle.answering import Answering
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

LINE = "Lists of what users may want, from texts of items and what users have done."

Where = Annotated[str, typer.Option("--place", help="folder, or database such as postgresql://me@machine/name")]
ItemsFile = Annotated[str | None, typer.Option("--items", help="file of items: item, title, text, time")]
BehaviourFile = Annotated[str | None, typer.Option("--behaviour", help="file of behaviour: user, item, action, time")]
Weighed = Annotated[
    str | None, typer.Option("--weights", help="how much actions say; kept: view=1,click=2,comment=3,share=4")
]
Embeds = Annotated[str | None, typer.Option("--embedder", help="bundle of embed; without one, words are counted")]
Ranks = Annotated[str | None, typer.Option("--ranker", help="bundle of rank, which has a say in the first 20 items")]
Cuts = Annotated[str | None, typer.Option("--segmenter", help="folder of a segmenter; without one, by rules")]
Sampled = Annotated[bool, typer.Option("--sample", help="put made-up items and behaviour, in Chinese and English")]
PLACE = "recommend"


def start(
    *,
    place: Where = PLACE,
    items: ItemsFile = None,
    behaviour: BehaviourFile = None,
    sample: Sampled = False,
    weights: Weighed = None,
    embedder: Embeds = None,
    ranker: Ranks = None,
    segmenter: Cuts = None,
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Recommend over HTTP, with a page; what users do counts at once.

    Items and behaviour are kept in --place; files of them are read first, and a second time they change nothing: a row
    of behaviour without a time is of when the same was first read. Weights and the embedder are those that it is
    started with; for others start it again. SIGHUP takes the ranker anew.
    """
    refuse_no_server()
    from danlu.apps.bundles import of_shelf, places
    from danlu.apps.recommend.bundles import ROLES
    from danlu.apps.recommend.routes import Routes

    @contextmanager
    def site(shelf: "Shelf") -> "Iterator[Site]":
        bundles = of_shelf(shelf, ROLES)
        with _opened(place, weights, segmenter, embedder=bundles["embedder"], ranker=bundles["ranker"]) as found:
            _filled(found, items, behaviour, sample, tell)
            tell(_described(found))
            yield Routes(found).site()

    given = {"embedder": embedder, "ranker": ranker}
    serve_site(places(given, ROLES), site, host=host, port=port, keys=keys, log_texts=log_texts)


def put(
    *,
    place: Where = PLACE,
    items: ItemsFile = None,
    behaviour: BehaviourFile = None,
    sample: Sampled = False,
    weights: Weighed = None,
) -> None:
    """Put items and behaviour into a place; a server that has it open sees them at its next answer.

    It keeps the weights that it was started with.
    """
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal

    if not (items or behaviour or sample):
        raise Refusal("there is nothing to put: give --items, --behaviour or --sample")
    with _opened(place, weights) as found:
        _filled(found, items, behaviour, sample, say)


def show(
    user: Annotated[str, typer.Argument(help="to whom")],
    *,
    place: Where = PLACE,
    limit: Annotated[int, typer.Option(help="items")] = 10,
    diversity: Annotated[float, typer.Option(help="0: the plain ranking; up to 1")] = 0.0,
    interests: Annotated[str, typer.Option(help="a text of what the user likes")] = "",
    embedder: Embeds = None,
    ranker: Ranks = None,
    segmenter: Cuts = None,
) -> None:
    """Show what a user is recommended, and why."""
    from danlu.language import default
    from danlu.machine.terminal import say as tell
    from danlu.machine.terminal import show as print_line

    with _with_bundles(place, {"embedder": embedder, "ranker": ranker}, segmenter) as found:
        if found.trouble:
            tell(found.trouble)
        if user not in found.behaviour.users:
            tell(f"'{user[:80]}' has done nothing here yet")
        for each in found.recommend(user, limit, diversity=diversity, interests=interests):
            print_line(f"{each.item.id}\t{each.item.shown}\t{each.reason.sentence(default())}")


def learn(
    *,
    place: Where = PLACE,
    embedder: Embeds = None,
    segmenter: Cuts = None,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
) -> None:
    """Learn how to rank from what users took up; what was learnt is used if it foretells better than the rule."""
    from danlu.apps.recommend.learn import learnt
    from danlu.machine.terminal import say

    with _with_bundles(place, {"embedder": embedder}, segmenter) as found:
        items, deeds = found.ledger.everything()
        come = learnt(items, deeds, found.behaviour.weights, found.anew, found.now() + 1, seed)
        found.use(come.ranker)
        say(come.sentence())


def tune(
    model: Annotated[str, typer.Argument(help="bundle of embed, or folder of a pretrained encoder")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[STAGE.KEY=VALUE]...", help="values that replace the recipe's")
    ] = None,
    *,
    place: Where = PLACE,
    out: Annotated[Path, typer.Option(help="folder of pairs, recipe and runs")] = Path("recommend-tuned"),
    until: Annotated[str | None, typer.Option(help="look at behaviour before this time alone")] = None,
) -> None:
    """Tune an embedder on behaviour: items that were read together are pairs, and a recipe learns from them."""
    from danlu.apps.recommend.reading import moment_in
    from danlu.apps.recommend.tune import tune as tuned
    from danlu.machine.terminal import say

    with _opened(place) as found:
        items, deeds = found.ledger.everything()
        moment = found.now() + 1 if until is None else moment_in(until)
    come = tuned({item.id: item for item in items}, deeds, model, out, until=moment, settings=settings or (), say=say)
    say(f"done: danlu app recommend --embedder {come.bundle}")


def evaluate(
    *,
    place: Where = PLACE,
    split: Annotated[str | None, typer.Option(help="time before which is learnt; None: the first 0.8 of all")] = None,
    spans: Annotated[int, typer.Option(min=1, max=366, help="lists are made so many times after it")] = 7,
    embedder: Embeds = None,
    segmenter: Cuts = None,
    seed: Annotated[int, typer.Option(help="of what is drawn")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="file for the numbers")] = None,
) -> None:
    """Tell how well it is foretold what users take up, beside popularity, co-occurrence and BM25: a split in time."""
    import json

    from danlu.apps.recommend.evaluate import evaluate as evaluated
    from danlu.apps.recommend.evaluation_words import lines_of, plain_of
    from danlu.apps.recommend.reading import moment_in
    from danlu.apps.recommend.terms import Counted
    from danlu.apps.recommend.tune import refuse_tuned_later
    from danlu.apps.recommend.vectors import Words
    from danlu.machine.files import refuse_unwritable, write_text
    from danlu.machine.terminal import show as print_line
    from danlu.text.segmenting.segmenter import open_segmenter
    from danlu.text.segmenting.segmenters.rules import Rules

    if json_file is not None:
        refuse_unwritable(json_file)
    with _with_bundles(place, {"embedder": embedder}, segmenter) as found:
        items, deeds = found.ledger.everything()
        counted = Counted(Rules() if segmenter is None else open_segmenter(segmenter))
        moment = None if split is None else moment_in(split)
        come = evaluated(
            items,
            deeds,
            found.behaviour.weights,
            found.anew,
            lambda: Words(counted),
            split=moment,
            spans=spans,
            seed=seed,
            allowed=(lambda at: refuse_tuned_later(embedder, at)) if embedder else None,
        )
    if json_file is not None:
        write_text(json_file, json.dumps(plain_of(come), indent=1) + "\n")
    for line in lines_of(come):
        print_line(line)


def _opened(
    place: str,
    weights: str | None = None,
    segmenter: str | None = None,
    *,
    embedder: "Answering | None" = None,
    ranker: "Answering | None" = None,
) -> "Recommender":
    from danlu.apps.recommend.opening import open_place
    from danlu.text.segmenting.segmenter import open_segmenter

    cuts = open_segmenter(segmenter) if segmenter is not None else None
    return open_place(place, weights=weights, embedder=embedder, ranker=ranker, segmenter=cuts)


@contextmanager
def _with_bundles(place: str, given: "Given", segmenter: str | None) -> "Iterator[Recommender]":
    from danlu.apps.bundles import opened
    from danlu.apps.recommend.bundles import ROLES

    with (
        opened(given, ROLES) as bundles,
        _opened(place, None, segmenter, embedder=bundles["embedder"], ranker=bundles["ranker"]) as found,
    ):
        yield found


def _filled(found: "Recommender", items: str | None, behaviour: str | None, sample: bool, say: Any) -> None:
    from danlu.apps.recommend.opening import put_file, put_sample, take_file

    if sample:
        put_sample(found, say)
    if items is not None:
        put_file(found, items, say)
    if behaviour is not None:
        take_file(found, behaviour, say)


def _described(found: "Recommender") -> str:
    told = found.state()
    vectors = "words are counted (no --embedder)" if told["vectors"] == "words" else "vectors of the embedder"
    ranked = "the rule (danlu app recommend learn)" if told["ranked_by"] == "rule" else "what was learnt"
    ranked += f"; {found.trouble}" if found.trouble else ""
    return f"{told['items']} items, {told['users']} users; {vectors}; ranked by {ranked}"


COMMANDS = {"start": start, "put": put, "show": show, "learn": learn, "tune": tune, "evaluate": evaluate}
