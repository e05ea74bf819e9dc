"""The certificate by which a server speaks HTTPS."""

import os
import ssl
import stat
from pathlib import Path

from danlu.refusal import Refusal

MOST_BYTES = 1 << 20
"""Of a file of either; a chain of certificates has some kilobytes."""


def refuse_certificate(certificate: Path, key: Path) -> None:
    """Look whether the two are what a server can speak HTTPS with.

    Raises:
        Refusal: one cannot be read, is not PEM, wants a password, may be read by everybody, or they do not fit.
    """
    for path, option, what in ((certificate, "--certificate", "certificate"), (key, "--certificate-key", "key")):
        _refuse_file(path, option, what)
    if os.name == "posix" and key.stat().st_mode & stat.S_IRWXO:
        raise Refusal(f"--certificate-key {key}: everybody on this machine may read this key; run: chmod 640 {key}")

    def password() -> str:
        raise Refusal(
            f"--certificate-key {key}: is locked with a password, which nobody types when a server starts by itself; "
            f"write it without one: openssl pkey -in {key} -out open.pem"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            raise Refusal(
                f"--certificate-key {key}: is not the key of {certificate}; give the one it was made with"
            ) from None
        raise Refusal(
            f"--certificate {certificate}, --certificate-key {key}: expected a certificate and its key in PEM, "
            "each from its line '-----BEGIN' on"
        ) from None


def _refuse_file(path: Path, option: str, what: str) -> None:
    try:
        if not path.is_file():
            raise Refusal(f"{option} {path}: there is no such file; give the {what} in PEM")
        if path.stat().st_size > MOST_BYTES:
            raise Refusal(f"{option} {path}: has more than {MOST_BYTES >> 20} MiB, so it is no {what}; give it in PEM")
        path.open("rb").close()
    except OSError as error:
        raise Refusal(
            f"{option} {path}: cannot be read ({error.strerror}); give a {what} that this user may read"
        ) from None
