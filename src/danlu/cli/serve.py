"""`danlu serve BUNDLE...`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, tell
from danlu.serve.hangup import remembered

if TYPE_CHECKING:
    from danlu.serve.limits import Limits


@remembered()
def command(
    bundles: Annotated[list[str], typer.Argument(help="folders of bundles, or NAME=FOLDER")],
    *,
    adapter: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER: an adapter that a training has left; of the first bundle")
    ] = None,
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundles say")] = None,
    threads: Annotated[int | None, typer.Option(help="cores to use; all")] = None,
    key: Annotated[str | None, typer.Option(help="public key (PEM) of who must have signed the bundles")] = None,
    body: Annotated[int | None, typer.Option(help="most bytes of a request")] = None,
    tokens: Annotated[int | None, typer.Option(help="most tokens of a request, a prompt for each text")] = None,
    waiting: Annotated[int | None, typer.Option(help="most requests at once")] = None,
    texts: Annotated[int | None, typer.Option(help="most texts that are written at once or wait for it")] = None,
    patience: Annotated[float | None, typer.Option(help="seconds of work that may wait; more is refused")] = None,
    seconds: Annotated[float | None, typer.Option(help="most seconds of a request")] = None,
    replay: Annotated[float, typer.Option(min=0, help="seconds between replays of the golden outputs; 0: never")] = 600,
    feedback: Annotated[str | None, typer.Option(help="database of judged answers: sqlite:///feedback.db")] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of a certificate: speak HTTPS")] = None,
    certificate_key: Annotated[Path | None, typer.Option(help="PEM file of its key")] = None,
    telemetry: Annotated[str | None, typer.Option(help="address of an OpenTelemetry collector (OTLP, HTTP)")] = None,
    log_texts: LogTexts = False,
) -> None:
    """Answer over HTTP, as the bundles were evaluated: their own tasks, and the interface of OpenAI.

    Nothing is served before the golden outputs were replayed. Ctrl-C ends it once all is answered that was asked;
    SIGHUP takes the bundles anew from their folders, and the keys, without losing a request.
    """
    from dataclasses import replace

    refuse_no_server()
    from danlu.refusal import Refusal
    from danlu.serve.run import serve, threads_that_pay
    from danlu.serve.shelf import named_adapter, place_of

    asked: dict[str, float | None] = {"body": body, "tokens": tokens, "waiting": waiting, "texts": texts}
    asked |= {"patience": patience, "seconds": seconds}
    limits = _limits({name: value for name, value in asked.items() if value is not None})
    if (certificate is None) != (certificate_key is None):
        raise Refusal("--certificate and --certificate-key go together: the certificate's file, and that of its key")
    places = [replace(place_of(each), precision=precision, key=key) for each in bundles]
    places[0] = replace(places[0], adapters=tuple(named_adapter(each) for each in adapter or ()))
    threads = threads or threads_that_pay(tell)
    serve(
        [replace(place, threads=threads) for place in places],
        host=host,
        port=port,
        keys=keys,
        limits=limits,
        replay=replay,
        texts_told=log_texts,
        feedback=feedback,
        certificate=(certificate, certificate_key) if certificate and certificate_key else None,
        telemetry=telemetry,
        say=tell,
    )


def _limits(given: dict[str, float]) -> "Limits":
    from danlu.recipe.read import Written, sentences
    from danlu.refusal import Refusal
    from danlu.serve.limits import Limits

    try:
        return Limits.model_validate(given)
    except ValueError as error:
        raise Refusal(sentences(error, Written("limits", given))) from None  # type: ignore[arg-type]
