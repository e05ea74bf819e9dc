"""Keys by which callers are known: a file with the hash of each, never a key itself."""

import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from danlu.machine.files import write_text
from danlu.machine.located import at_home
from danlu.recipe.part import Part
from danlu.recipe.read import sentences, written_file
from danlu.refusal import Refusal

PREFIX = "danlu-"


class Key(Part):
    """One caller."""

    name: str = Field(min_length=1, max_length=64)
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$", description="of the key; it has 256 random bits, so no salt is needed"
    )
    admin: bool = Field(default=False, description="may reload models")
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)


class Keys(Part):
    """All callers."""

    keys: tuple[Key, ...] = ()


def hash_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def owner(keys: Sequence[Key], given: str) -> Key | None:
    """Whose key it is; all are compared, each in constant time, so that time tells nothing."""
    digest = hash_of(given)
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def read_keys(path: Path) -> tuple[Key, ...]:
    """The callers that a file names.

    Raises:
        Refusal: it cannot be read, others than its owner may read it, it names nobody, or two by one name.
    """
    where = at_home(path)
    if not where.is_file():
        raise Refusal(f"{path}: there is no such file of keys; make one with: danlu key {path} NAME")
    mode = where.stat().st_mode
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Refusal(f"{path}: others than you may read or change these keys; run: chmod 600 {path}")
    written = written_file(where, "a file of keys is a mapping with a list 'keys'")
    try:
        keys = Keys.model_validate(written.data).keys
    except ValidationError as error:
        raise Refusal(sentences(error, written)) from None
    names = [key.name for key in keys]
    if not names:
        raise Refusal(f"{path}: names no key, so nobody could ask anything; add one with: danlu key {path} NAME")
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refusal(f"{path}: there are two keys of the name '{twice[0]}'; give one of them another name")
    return keys


def add_key(path: Path, name: str, *, admin: bool = False) -> str:
    """Add a caller to a file of keys, made where there is none, that its owner alone may read; gives the key.

    Raises:
        Refusal: the file is damaged, or has the name already.
    """
    where = at_home(path)
    known = list(read_keys(where)) if where.exists() else []
    if name in [key.name for key in known]:
        raise Refusal(f"{path}: has a key '{name}' already; choose another name, or remove its lines first")
    key = PREFIX + secrets.token_urlsafe(32)
    try:
        known.append(Key(name=name, sha256=hash_of(key), admin=admin))
    except ValidationError:
        raise Refusal(f"'{name:.80}' cannot be the name of a key; write 1 to 64 characters") from None
    write_private(where, known)
    return key


def write_private(where: Path, keys: Sequence[Key]) -> None:
    """Write the file whole or not at all, for its owner alone."""
    lines = [json.dumps(key.model_dump(exclude_defaults=True), ensure_ascii=False) for key in keys]
    before = os.umask(0o077)
    try:
        write_text(where, "keys:\n" + "".join(f"- {line}\n" for line in lines))
    finally:
        os.umask(before)
    where.chmod(0o600)
