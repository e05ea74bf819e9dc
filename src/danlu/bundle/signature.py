"""Who made a bundle: `danlu.json` signed by a private key, checked by the public one (Ed25519: Bernstein et al., 2011).

`danlu.json` holds the hash of every file that is read, so its signature covers them all; the card has none.
"""

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.machine.door import file_inside, opened, read_bytes, read_json
from danlu.machine.files import write_bytes, write_text
from danlu.machine.located import at_home
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAME = "danlu.sig"

_ALGORITHM = "ed25519"
_PURPOSE = b"danlu bundle 1\n"  # so that a signature of a bundle is none of anything else
_MOST = 2**16  # bytes of a key or a signature
_KEY = "give a key in PEM, such as danlu sign --new-key NAME makes"
_SIGN = "have it signed anew with: danlu sign BUNDLE --key NAME.private.pem"


def new_key(name: str) -> tuple[Path, Path]:
    """Make a pair of keys: `NAME.private.pem`, which its owner alone can read, and `NAME.public.pem` to give away.

    Raises:
        Refusal: one of the two is there already, or the package cryptography is not.
    """
    ed25519, serialization = _library()
    private, public = Path(f"{name}.private.pem"), Path(f"{name}.public.pem")
    for path in (private, public):
        if path.exists():
            raise Refusal(f"{path}: is there already, and a key that is lost cannot be made again; choose another name")
    key = ed25519.Ed25519PrivateKey.generate()
    private.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    shown = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_bytes(public, shown)
    return private, public


def sign(folder: Path, data: bytes, private: str | Path) -> str:
    """Write `danlu.sig` for `data`, what `danlu.json` holds, and give the fingerprint of the key.

    Raises:
        Refusal: the file holds no private key of Ed25519, or one with a password.
    """
    ed25519, serialization = _library()
    with opened(private, "no private key could be read there", f"{_KEY}, without a password"):
        key = serialization.load_pem_private_key(read_bytes(at_home(private), _KEY, _MOST), password=None)
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            raise Refusal(f"{private}: is a key of another kind than Ed25519; {_KEY}")
    told = {
        "algorithm": _ALGORITHM,
        "key": fingerprint(key.public_key()),
        "signature": base64.b64encode(key.sign(_PURPOSE + data)).decode("ascii"),
    }
    write_text(folder / NAME, json.dumps(told, indent=1) + "\n")
    return told["key"]


def check(folder: Path, data: bytes, public: str | Path) -> None:
    """Refuse `data`, what `danlu.json` holds, unless `danlu.sig` is a signature of it by this key.

    Raises:
        Refusal: there is no signature, it is by another key, of other data, or damaged; or the file holds no key.
    """
    ed25519, serialization = _library()
    with opened(public, "no public key could be read there", _KEY):
        key = serialization.load_pem_public_key(read_bytes(at_home(public), _KEY, _MOST))
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise Refusal(f"{public}: is a key of another kind than Ed25519; {_KEY}")
    if not (folder / NAME).exists():
        raise Refusal(f"{folder}: the bundle is not signed, so who made it is not known; {_SIGN}")
    told = read_json(file_inside(folder, NAME), _SIGN, _MOST)
    if told.get("key") != fingerprint(key):
        raise Refusal(
            f"{folder / NAME}: the bundle is signed by the key {told.get('key')!r:.80}, not by {fingerprint(key)} of "
            f"{public}; ask who made it for the right public key"
        )
    with opened(folder / NAME, "the signature does not fit the bundle, so someone has changed it", _SIGN):
        if told.get("algorithm") != _ALGORITHM:
            raise ValueError(f"algorithm {told.get('algorithm')!r:.40}")
        key.verify(base64.b64decode(told["signature"], validate=True), _PURPOSE + data)


def fingerprint(key: "Ed25519PublicKey") -> str:
    """The first 32 hexadecimal digits of the SHA-256 of a public key's bytes, by which people compare keys."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32]


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise Refusal("signatures need the package cryptography; run: pip install 'danlu[sign]'") from error
    return ed25519, serialization
