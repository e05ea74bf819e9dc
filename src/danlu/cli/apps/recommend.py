"""`danlu app recommend`: lists of what users may want, from texts of items and what users have done."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.machine.extra import needed

if TYPE_CHECKING:
    from danlu.apps.recommend.recommender import Recommender

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
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0: all of this machine")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="file of the keys that may ask; danlu key makes one")] = None,
) -> None:
    """Recommend over HTTP, with a page; what users do counts at once.

    Items and behaviour are kept in --place; files of them are read first, and a second time they change nothing: a row
    of behaviour without a time is of when the same was first read. Weights and bundles are those that it is started
    with; for others start it again, as SIGHUP changes none of them here.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        needed(package, "serve", "a server")
    from danlu.apps.recommend.routes import Routes
    from danlu.machine.terminal import say
    from danlu.serve.limits import Limits
    from danlu.serve.run import serve
    from danlu.serve.shelf import Place, Shelf
    from danlu.serve.site import Site

    def tell(line: str) -> None:
        say(line, err=True)

    named = {"embedder": embedder, "ranker": ranker}
    places = [Place(name, path) for name, path in named.items() if path is not None]
    with ExitStack() as stack:

        def site(shelf: Shelf) -> Site:
            models = {each.name: stack.enter_context(shelf.lease(each.name)) for each in places}
            found = stack.enter_context(
                _opened(
                    place,
                    weights,
                    segmenter,
                    embedder=(models["embedder"].predictor, models["embedder"].fingerprint) if embedder else None,
                    ranker=models["ranker"].predictor if ranker else None,
                )
            )
            _filled(found, items, behaviour, sample, tell)
            tell(_described(found))
            return Routes(found).site()

        serve(places, site=site, host=host, port=port, keys=keys, limits=Limits(), say=tell)


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
) -> None:
    """Show what a user is recommended, and why."""
    from danlu.language import default
    from danlu.machine.terminal import show as print_line

    with ExitStack() as stack:
        found = stack.enter_context(_with_bundles(stack, place, embedder, ranker))
        if user not in found.behaviour.users:
            print_line(f"'{user[:80]}' has done nothing here yet")
        for each in found.recommend(user, limit, diversity=diversity, interests=interests):
            print_line(f"{each.item.id}\t{each.item.shown}\t{each.reason.sentence(default())}")


def learn(
    *, place: Where = PLACE, embedder: Embeds = None, seed: Annotated[int, typer.Option(help="of what is drawn")] = 0
) -> None:
    """Learn how to rank from what users took up; what was learnt is used if it foretells better than the rule."""
    from danlu.apps.recommend.learn import learnt
    from danlu.machine.terminal import say

    with ExitStack() as stack:
        found = stack.enter_context(_with_bundles(stack, place, embedder, None))
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
    split: Annotated[str | None, typer.Option(help="time before which is learnt; None: 80 % of what was done")] = None,
    spans: Annotated[int, typer.Option(min=1, max=366, help="lists are made so many times after it")] = 7,
    embedder: Embeds = None,
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
    from danlu.text.segmenting.segmenters.rules import Rules

    if json_file is not None:
        refuse_unwritable(json_file)
    with ExitStack() as stack:
        found = stack.enter_context(_with_bundles(stack, place, embedder, None))
        items, deeds = found.ledger.everything()
        counted = Counted(Rules())
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


def _opened(place: str, weights: str | None = None, segmenter: str | None = None, **bundles: Any) -> "Recommender":
    from danlu.apps.recommend.opening import open_place
    from danlu.text.segmenting.segmenter import open_segmenter

    cuts = open_segmenter(segmenter) if segmenter is not None else None
    return open_place(place, weights=weights, segmenter=cuts, **bundles)


def _with_bundles(stack: ExitStack, place: str, embedder: str | None, ranker: str | None) -> "Recommender":
    if embedder is None and ranker is None:
        return _opened(place)
    from danlu.bundle.bundle import load

    bundles: dict[str, Any] = {}
    if embedder is not None:
        bundle = stack.enter_context(load(embedder))
        bundles["embedder"] = (bundle.predictor, f"danlu-{str(bundle.facts.get('digest', ''))[:16]}")
    if ranker is not None:
        bundles["ranker"] = stack.enter_context(load(ranker)).predictor
    return _opened(place, **bundles)


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
