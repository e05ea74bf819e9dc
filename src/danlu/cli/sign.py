"""`danlu sign BUNDLE --key NAME.private.pem`, and `danlu sign --new-key NAME`."""

from typing import Annotated

import typer


def command(
    bundle: Annotated[str | None, typer.Argument(help="folder of a bundle")] = None,
    key: Annotated[str | None, typer.Option(help="private key (PEM, Ed25519) to sign with")] = None,
    new_key: Annotated[
        str | None, typer.Option(help="make NAME.private.pem, to keep, and NAME.public.pem, to give away")
    ] = None,
) -> None:
    """Sign a bundle, so that whoever has your public key can tell that it comes from you, unchanged.

    The signature (danlu.sig) covers danlu.json, and through its hashes every file but the card README.md.
    """
    from danlu.bundle.manifest import sign
    from danlu.bundle.signature import new_key as made
    from danlu.machine.terminal import say
    from danlu.refusal import Refusal

    if (new_key is None) == (bundle is None) or (bundle is None) != (key is None):
        raise Refusal("give a bundle and --key NAME.private.pem to sign it, or --new-key NAME to make a pair of keys")
    if new_key is not None:
        private, public = made(new_key)
        say(f"{private}: the private key; keep it to yourself, whoever has it can sign in your name")
        say(f"{public}: the public key; give it to those who use your bundles")
    elif bundle is not None and key is not None:
        by = sign(bundle, key)
        say(f"{bundle}: signed by the key {by}; check it with: danlu verify {bundle} --key NAME.public.pem")
