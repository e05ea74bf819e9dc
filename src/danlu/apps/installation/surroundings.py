"""What is around: folders, language, terminal, clock, settings of hub and proxies, and, if asked, the network."""

import locale
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from danlu.apps.installation.finding import Finding, Words, gigabytes
from danlu.machine.located import at_home
from danlu.refusal import without_secrets

HUB = "https://huggingface.co"
PATIENCE = 5.0  # seconds that the hub may take to answer
_LITTLE = 2e9  # bytes: a model of the hub with its checkpoints takes more
_NOTHING = 1e8
_SECRET = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SETTINGS = (
    *("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_XET"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "DANLU_LANGUAGE", "CUDA_VISIBLE_DEVICES"),
)


def look_at_folders(_: Words, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether there is room, and leave to write, where danlu and what it builds on write."""
    elsewhere = f"export HF_{'HUB_CACHE' if environment.get('HF_HUB_CACHE') else 'HOME'}=~/huggingface"
    places = {
        "working folder": (_("working folder"), Path.cwd(), "cd ~"),
        "temporary folder": (_("temporary folder"), Path(tempfile.gettempdir()), "export TMPDIR=~/tmp; mkdir -p ~/tmp"),
        "hub cache": (_("cache of the hub"), hub_cache(environment), elsewhere),
    }
    with suppress(ImportError, OSError):  # without torch, of which another finding tells
        from danlu.machine.device import cache_folder

        places["cache"] = (_("cache of danlu"), cache_folder(), "export XDG_CACHE_HOME=~/cache; mkdir -p ~/cache")
    for name, (called, folder, remedy) in places.items():
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        told = {"what": called, "folder": folder}
        if not os.access(there, os.W_OK):
            shut = _("{what} {folder}: may not be written to").format(**told)
            yield Finding(name, "wrong" if name in ("working folder", "temporary folder") else "note", shut, remedy)
            continue
        free = shutil.disk_usage(there).free
        said = _("{what} {folder}: {free} are free").format(**told, free=gigabytes(free))
        level = "wrong" if free < _NOTHING else "note" if free < _LITTLE else "right"
        yield Finding(name, level, said, None if level == "right" else f"df -h {there}; {remedy}")  # type: ignore[arg-type]


def hub_cache(environment: Mapping[str, str]) -> Path:
    """Where the hub's client keeps what it has fetched."""
    home = environment.get("XDG_CACHE_HOME") or "~/.cache"
    above = environment.get("HF_HOME") or f"{home}/huggingface"
    return at_home(environment.get("HF_HUB_CACHE") or f"{above}/hub")


def look_at_language(_: Words, encoding: str | None = None) -> Iterator[Finding]:
    """Whether Chinese can be printed and read, and which language danlu speaks."""
    from danlu.language import default

    spoken = {"en": _("English"), "zh": _("Chinese")}[default()]
    shown = (encoding or getattr(sys.stdout, "encoding", None) or "?").lower()
    files = locale.getpreferredencoding(do_setlocale=False).lower()
    told = {"language": spoken, "terminal": shown, "files": files}
    said = _("danlu speaks {language}; terminal {terminal}, files of the system {files}").format(**told)
    plain = all(each.replace("-", "").replace("_", "") in ("utf8", "utf8sig") for each in (shown, files))
    if plain:
        yield Finding("language", "right", said)
    else:
        narrow = _("; characters outside of it are shown as numbers")
        yield Finding("language", "note", said + narrow, "export PYTHONUTF8=1 LC_ALL=C.UTF-8")


def look_at_clock(_: Words, now: float | None = None) -> Iterator[Finding]:
    """Whether the clock can be right: danlu was not installed in the future."""
    now = time.time() if now is None else now
    with suppress(OSError):
        if now < Path(__file__).stat().st_mtime - 86_400:
            behind = _("the clock says {date}, which is before danlu was installed; certificates will be refused")
            said = behind.format(date=time.strftime("%Y-%m-%d", time.gmtime(now)))
            yield Finding("clock", "wrong", said, "sudo timedatectl set-ntp true")
            return
    yield Finding("clock", "right", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def look_at_settings(_: Words, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Variables that change where things are fetched and kept; no secret is told."""
    told = [f"{name}={without_secrets(value)}" for name in _SETTINGS if (value := _value(environment, name))]
    told += [_("{name} is set").format(name=name) for name in _SECRET if environment.get(name)]
    if told:
        yield Finding("settings", "right", _("settings: {settings}").format(settings=", ".join(told)))
    for name in _offline(environment):
        kept = _("{name} is set: names on the hub are found only where they were fetched before")
        yield Finding("offline", "note", kept.format(name=name), f"unset {name}")
    socks = [name for name in ("ALL_PROXY", "HTTPS_PROXY") if _value(environment, name).lower().startswith("socks")]
    if socks:
        needs = _("{name} is a SOCKS proxy, which the hub's client takes with one more package")
        yield Finding("proxy", "note", needs.format(name=socks[0]), f"{sys.executable} -m pip install socksio")


def look_at_network(_: Words, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether the hub answers; it is asked once."""
    from huggingface_hub import get_session

    address = environment.get("HF_ENDPOINT") or HUB
    where = without_secrets(address)
    if not address.startswith(("https://", "http://")):
        odd = _("HF_ENDPOINT={address} is no address").format(address=where)
        yield Finding("hub", "note", odd, "unset HF_ENDPOINT")
        return
    try:
        get_session().head(address, timeout=PATIENCE)  # by the hub's own client, with its proxies
    except Exception as error:  # of one library or another, as the proxy is; an answer is none, whatever it says
        silent = _("the hub does not answer at {address} ({why}); local folders work as they are")
        remedy = "export HF_ENDPOINT=https://hf-mirror.com" if address == HUB else "unset HF_ENDPOINT"
        remedy = next((f"unset {name}" for name in _offline(environment)), remedy)
        yield Finding(
            "hub", "note", silent.format(address=where, why=without_secrets(str(error).partition("\n")[0])), remedy
        )
        return
    yield Finding("hub", "right", _("the hub answers at {address}").format(address=where))


def _offline(environment: Mapping[str, str]) -> list[str]:
    """The variables that keep the hub's client from asking."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return [name for name in names if environment.get(name, "").lower() in ("1", "true", "yes", "on")]


def _value(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""
