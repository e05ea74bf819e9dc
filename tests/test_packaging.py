"""What stands beside the package says the same as the package: citation, conda recipe, image, security."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch"}
# What https://github.com/citation-file-format/citation-file-format, schema 1.2.0, demands and allows at the top.
CITATION_NEEDS = {"cff-version", "message", "title", "authors"}
CITATION_KEYS = CITATION_NEEDS | {
    *("abstract", "commit", "contact", "date-released", "doi", "identifiers", "keywords", "license", "license-url"),
    *("preferred-citation", "references", "repository", "repository-artifact", "repository-code", "type", "url"),
    "version",
}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_is_of_this_version() -> None:
    told = yaml.safe_load(read("CITATION.cff"))
    assert CITATION_NEEDS <= set(told) <= CITATION_KEYS
    assert (told["cff-version"], told["type"]) == ("1.2.0", "software")
    assert (told["version"], told["license"]) == (PROJECT["version"], PROJECT["license"])
    assert all(set(author) <= {"name", "website"} and author["name"] for author in told["authors"])


def test_the_conda_recipe_asks_for_what_the_package_asks_for() -> None:
    text = read("conda/meta.yaml")
    version = re.search(r'{% set version = "(.+)" %}', text)
    assert version is not None
    assert version[1] == PROJECT["version"]
    plain = re.sub(r"{%.*?%}", "", text).replace("{{ version }}", version[1]).replace("{{ PYTHON }}", "python")
    recipe = yaml.safe_load(plain)
    wanted = [re.fullmatch(r"([\w-]+)(.*)", line) for line in PROJECT["dependencies"]]
    lines = [f"{CONDA_NAMES.get(found[1], found[1])} {found[2]}" for found in wanted if found]
    assert recipe["requirements"]["run"] == [f"python {PROJECT['requires-python']}", *lines]
    assert recipe["build"]["entry_points"] == [f"danlu = {PROJECT['scripts']['danlu']}"]
    backend = tomllib.loads(read("pyproject.toml"))["build-system"]["requires"]
    assert {line.replace(">", " >", 1) for line in backend} <= set(recipe["requirements"]["host"])


def test_the_image_runs_as_nobody_and_tells_how_it_is() -> None:
    """By reading: no image can be built in a test. The last stage is the one that runs."""
    last = read("examples/serve/Dockerfile").rpartition("\nFROM ")[2]
    steps = re.findall(r"^([A-Z]+) (.*)$", last.replace("\\\n", " "), re.MULTILINE)
    users = [rest for step, rest in steps if step == "USER"]
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")
    assert any(step == "HEALTHCHECK" and "/health/ready" in rest for step, rest in steps)
    assert [rest for step, rest in steps if step == "ENTRYPOINT"] == ['["danlu", "serve"]']
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", read("examples/serve/Dockerfile"), re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_the_changelog_and_the_security_page_are_of_this_project() -> None:
    versions = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] in ("Unreleased", PROJECT["version"])
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions[1:])
    security = read("SECURITY.md")
    for promise in ("No pickle", "No code of others", "Loopback", "Keys", "How to report"):
        assert promise in security
