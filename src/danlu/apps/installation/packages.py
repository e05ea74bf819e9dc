"""Python and the packages that are installed, beside what danlu's own metadata ask for."""

import platform
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from danlu.apps.installation.finding import Finding, Words

FOR_DEVELOPERS = {"test", "check", "bench"}


@dataclass(frozen=True)
class Wanted:
    """A package that danlu, or one of its extras, asks for: as pip is told it, and what stands in the way."""

    name: str
    requirement: str
    there: str | None
    fits: bool


@dataclass(frozen=True)
class Extra:
    """An extra, what it is for, and what of it is not there or in another version."""

    name: str
    purpose: str
    missing: list[str]
    unfit: list[Wanted]

    @property
    def there(self) -> bool:
        """Whether all that it asks for is installed."""
        return not self.missing and not self.unfit


def purposes(_: Words) -> dict[str, str]:
    """What each extra is for."""
    return {
        "quickstart": _("the Chinese texts of the quickstart"),
        "tensorboard": _("record trainings for TensorBoard"),
        "wandb": _("record trainings for Weights & Biases"),
        "mlflow": _("record trainings for MLflow"),
        "swanlab": _("record trainings for SwanLab"),
        "docs": _("build the documentation"),
        "clean": _("cleaners: simplified and traditional characters, languages told apart"),
        "labels": _("find labels that are probably wrong"),
        "crf": _("the baseline crf"),
        "unigram": _("learn unigram tokenizers"),
        "jieba": _("the segmenter jieba"),
        "ray": _("prepare data on a Ray cluster"),
        "augment": _("augmenters that need words or their sounds"),
        "onnx": _("export to ONNX, and answer with ONNX Runtime"),
        "openvino": _("export to OpenVINO, and answer with it"),
        "pdf": _("read data from PDF files"),
        "documents": _("search in PDF and Word files"),
        "hub": _("data sets of the Hugging Face hub"),
        "sign": _("sign bundles, and check who signed them"),
        "constrain": _("write answers in a given form, such as JSON"),
        "search": _("search for the best settings"),
        "postgres": _("keep indexes and applications in PostgreSQL"),
        "gguf": _("export for llama.cpp"),
        "sql": _("databases of applications"),
        "serve": _("answer over HTTP, and applications with a page"),
        "monitor": _("watch news and sentiment"),
        "telemetry": _("traces of requests, by OpenTelemetry"),
        "remote": _("data on web servers and in object stores"),
    }


def look_at_python(_: Words) -> Iterator[Finding]:
    """Whether this Python is one of those that danlu is made for."""
    from packaging.specifiers import SpecifierSet

    told = f"Python {platform.python_version()} ({sys.executable})"
    wanted = metadata("danlu")["Requires-Python"] or ">=3.11"
    if platform.python_version() not in SpecifierSet(wanted, prereleases=True):
        needs = _("{python}; danlu needs {versions}").format(python=told, versions=wanted)
        yield Finding("python", "wrong", needs, "uv python install 3.12 && uv venv --python 3.12")
    elif struct.calcsize("P") < 8:
        narrow = _("{python}: built for 32 bits, for which there is no torch").format(python=told)
        yield Finding("python", "wrong", narrow, "uv python install 3.12 && uv venv --python 3.12")
    else:
        yield Finding("python", "right", told)


def look_at_packages(_: Words) -> Iterator[Finding]:
    """What danlu always needs: there, and in a version that it is made for."""
    packages = wanted_by(None)
    for package in packages:
        remedy = f"{pip()} install '{package.requirement}'"
        if package.there is None:
            missing = _("{package} is not installed").format(package=package.name)
            yield Finding(f"package {package.name}", "wrong", missing, remedy)
        elif not package.fits:
            other = _("{package} {there} is installed, and danlu needs {wanted}")
            said = other.format(package=package.name, there=package.there, wanted=package.requirement)
            yield Finding(f"package {package.name}", "wrong", said, remedy)
    if all(package.there is not None and package.fits for package in packages):
        fine = _("danlu {version}, and all {count} packages that it needs, in versions that it is made for")
        yield Finding("packages", "right", fine.format(version=version("danlu"), count=len(packages)))


def look_at_extras(_: Words) -> Iterator[Finding]:
    """Extras of which something is there in another version than danlu is made for."""
    for extra in extras(_):
        for package in extra.unfit:
            other = _("{package} {there} is installed, and the extra '{extra}' needs {wanted}")
            told = {"package": package.name, "there": package.there, "extra": extra.name, "wanted": package.requirement}
            yield Finding(f"extra {extra.name}", "note", other.format(**told), f"{pip()} install 'danlu[{extra.name}]'")


def extras(_: Words) -> list[Extra]:
    """The extras that danlu's metadata name, but for those of its developers."""
    known = purposes(_)
    names = [name for name in metadata("danlu").get_all("Provides-Extra") or [] if name not in FOR_DEVELOPERS]
    found = []
    for name in names:
        packages = wanted_by(name)
        missing = [package.name for package in packages if package.there is None]
        unfit = [package for package in packages if package.there is not None and not package.fits]
        found.append(Extra(name, known.get(name, ""), missing, unfit))
    return found


def wanted_by(extra: str | None) -> list[Wanted]:
    """What danlu, or an extra with those that it names, asks for on this machine."""
    from packaging.requirements import Requirement

    found: dict[str, Wanted] = {}
    for line in requires("danlu") or []:
        requirement = Requirement(line)
        of_extra = "extra" in (str(requirement.marker) if requirement.marker else "")
        if of_extra is (extra is None) or (
            requirement.marker and not requirement.marker.evaluate({"extra": extra or ""})
        ):
            continue
        if re.sub(r"[-_.]+", "-", requirement.name).lower() == "danlu":
            found |= {each.name: each for inner in sorted(requirement.extras) for each in wanted_by(inner)}
            continue
        there = _installed(requirement.name)
        fits = there is not None and requirement.specifier.contains(there, prereleases=True)
        plain = Requirement(line)
        plain.marker = None
        found[requirement.name] = Wanted(requirement.name, str(plain), there, fits)
    return list(found.values())


def pip() -> str:
    """How pip is called for the Python that runs danlu."""
    return f"{sys.executable} -m pip"


@cache
def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
