"""`danlu judge A B --url URL --model MODEL`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from danlu.refusal import Refusal


def command(
    first: Annotated[Path, typer.Argument(help="json lines of answers, or the folder of an evaluation")],
    second: Annotated[Path | None, typer.Argument(help="another one; without it, the references of the first")] = None,
    *,
    url: Annotated[str, typer.Option(help="address of an OpenAI-compatible server, up to /v1")],
    model: Annotated[str, typer.Option(help="the model that judges, as the server calls it")],
    data: Annotated[Path | None, typer.Option(help="file that was evaluated on, if answers lack questions")] = None,
    template: Annotated[str | None, typer.Option(help="YAML file of what it reads; en or zh: ours")] = None,
    key_from: Annotated[str, typer.Option(help="environment variable with the key, if any")] = "OPENAI_API_KEY",
    output: Annotated[Path | None, typer.Option(help="folder for judged.json; replies are kept in it")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="pairs at most, the first ones")] = None,
    together: Annotated[int, typer.Option(min=1, max=64, help="requests at the same time")] = 4,
    tries: Annotated[int, typer.Option(min=1, max=20, help="requests for one reply where the server is busy")] = 5,
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="seconds that a reply may take")] = 120.0,
    tokens: Annotated[int, typer.Option(min=1, max=100_000, help="tokens of a reply at most")] = 1024,
) -> None:
    """Let another model judge answers pair by pair, in both orders, and tell how far it agrees with itself."""
    from danlu.data.reading.format import guess
    from danlu.evaluate.judging.answers import read_pairs
    from danlu.evaluate.judging.endpoint import Endpoint
    from danlu.evaluate.judging.judged import JUDGED, REPLIES, Replies, judge, summed_up, write_judged
    from danlu.evaluate.judging.template import read_judge_template
    from danlu.evaluate.reporting.judged_in_words import judged_in_words
    from danlu.evaluate.reporting.telling import teller
    from danlu.language import default, translator
    from danlu.machine.files import refuse_unwritable
    from danlu.machine.terminal import say, show

    if output:
        refuse_unwritable(output / JUDGED)
    asked = read_judge_template(template or default())
    key = os.environ.get(key_from) or None
    if key and not (key.isascii() and key.isprintable()):
        raise Refusal(f"the variable {key_from} holds signs that no key has, such as a line end; set it anew")
    endpoint = Endpoint(url, model, key, tries=tries, seconds=timeout, tokens=tokens)
    pairs = read_pairs(first, second, records=list(guess(str(data)).read()) if data else ())[:limit]
    if unasked := sum(not pair.question for pair in pairs):
        words = translator(default())(
            "{count} of {pairs} answers are judged without their question; --data may give it"
        )
        say(words.format(count=f"{unasked:,}", pairs=f"{len(pairs):,}"), err=True)
    replies = Replies(output / REPLIES if output else None)
    judged = judge(pairs, asked, endpoint, replies, together=together, seen=teller(len(pairs)))
    names = ("A", "B") if second is not None else ("A", translator(default())("the reference"))
    plain = {"first": str(first), "second": str(second) if second else None, "judge": model}
    plain |= summed_up(pairs, judged)
    for line in judged_in_words(plain, names, default()):
        show(line)
    if output:
        write_judged(output, plain, pairs, judged)
        show(translator(default())("written to {folder}").format(folder=output))
