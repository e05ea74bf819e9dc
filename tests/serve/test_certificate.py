"""A certificate is looked at before a server starts, and spoken with."""

import asyncio
import datetime as dt
import os
import socket
import ssl
import threading
import urllib.request
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from danlu.refusal import Refusal
from danlu.serve.app import app_of
from danlu.serve.certificate import refuse_certificate
from danlu.serve.limits import Limits
from danlu.serve.service import Service
from danlu.serve.shelf import Shelf


def made(folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
    """A certificate of localhost that has signed itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    paths[1].chmod(0o600)
    return paths


def test_a_client_that_trusts_the_certificate_is_answered_and_another_is_not(shelf: Shelf, tmp_path: Path) -> None:
    certificate, key = made(tmp_path, "own")
    refuse_certificate(certificate, key)
    service = Service(shelf, Limits())
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(16)
    told = uvicorn.Config(app_of(service), log_config=None, access_log=False, ssl_certfile=certificate, ssl_keyfile=key)
    server = uvicorn.Server(told)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    url = f"https://localhost:{listening.getsockname()[1]}/health/live"
    try:
        trusting = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(url, context=trusting, timeout=30) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(url, context=ssl.create_default_context(), timeout=30)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def test_a_key_of_another_certificate_a_locked_one_and_no_pem_are_told(tmp_path: Path) -> None:
    certificate, key = made(tmp_path, "own")
    _, other = made(tmp_path, "other")
    _, locked = made(tmp_path, "locked", b"secret")
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    for pair, told in (
        ((certificate, other), "is not the key of"),
        ((certificate, locked), "is locked with a password"),
        ((text, key), "expected a certificate and its key in PEM"),
        ((tmp_path / "none.pem", key), "there is no such file"),
        ((certificate, tmp_path), "there is no such file"),
    ):
        with pytest.raises(Refusal, match=told):
            refuse_certificate(*pair)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are of POSIX")
def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    certificate, key = made(tmp_path, "own")
    key.chmod(0o644)
    with pytest.raises(Refusal, match="chmod 640"):
        refuse_certificate(certificate, key)
