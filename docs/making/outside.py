"""Files outside of docs/ as pages of the site: what has changed, how to contribute, the examples."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "measuring.md",
    "README.md": "index.md",
}
"""Where on the site a file outside of docs/ is found; README.md is what index.md says in fewer words."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
LANGUAGES = {"recipe.yaml": "yaml", ".yaml": "yaml", ".py": "python", ".sh": "bash", ".json": "json", ".csv": "text"}
SHOWN = 12  # lines of a file of data
LONGEST = 200  # characters of such a line


def pages_outside() -> dict[str, str]:
    """The pages that files outside of docs/ make, by their name under docs/."""
    texts = {page: (ROOT / file).read_text("utf-8") for file, page in PAGES.items() if page != "index.md"}
    examples = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
    for folder in examples:
        texts[f"examples/{folder.name}.md"] = _example(folder, "README.md")
        if (folder / "README.zh.md").is_file():
            texts[f"examples/{folder.name}.zh.md"] = _example(folder, "README.zh.md")
    return texts


def with_links_of_the_site(markdown: str, page: str) -> str:
    """A page whose links to files outside of docs/ lead to the pages that are made of them."""
    origin = next((file for file, made in PAGES.items() if made == page and made != "index.md"), f"docs/{page}")
    example = re.fullmatch(r"examples/(\w+)(\.zh)?\.md", page)
    if example and (ROOT / "examples" / example[1]).is_dir():
        origin = f"examples/{example[1]}/README.md"
    return LINK.sub(lambda found: _on_the_site(found, origin, page), markdown)


def _on_the_site(found: re.Match[str], origin: str, page: str) -> str:
    """A link as it has to be on a page of the site, which may stand elsewhere than its file."""
    file = posixpath.normpath(posixpath.join(posixpath.dirname(origin), found["path"]))
    anchor = found["anchor"] or ""
    if file.startswith("docs/"):
        target = file.removeprefix("docs/")
    elif file in PAGES:
        target = PAGES[file]
    elif (within := re.fullmatch(r"examples/(\w+)(?:/(.*))?", file)) is not None:
        target = f"examples/{within[1]}.md"
        anchor = f"#{_anchor(within[2])}" if within[2] and not within[2].startswith("README") else anchor
    else:
        return found[0]
    return posixpath.relpath(target, posixpath.dirname(page) or ".") + anchor


def _anchor(file: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", file.lower()).strip("-")


def _example(folder: Path, about: str) -> str:
    """The page of an example: what its README says, and its files; of data the beginning."""
    readme = folder / about
    parts = [readme.read_text("utf-8") if readme.is_file() else f"# {folder.name}\n"]
    parts[0] = re.sub(r"\n\[(中文|English)\]\(README\S*\)\n", "\n", parts[0])
    files = sorted(folder.iterdir(), key=lambda path: (path.suffix != ".yaml", path.name))
    shown = [path for path in files if path.is_file() and not path.name.startswith("README")]
    parts += [f"## {path.name} {{ #{_anchor(path.name)} }}\n\n{_shown(path)}" for path in shown]
    return "\n".join(parts)


def _shown(path: Path) -> str:
    lines = path.read_text("utf-8").splitlines()
    if path.suffix in (".csv", ".jsonl", ".txt") and len(lines) > SHOWN:
        lines = [*lines[:SHOWN], "…"]
    lines = [line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in lines]
    fence = "~~~~"
    return f"{fence}{LANGUAGES.get(path.suffix, 'text')}\n" + "\n".join(lines) + f"\n{fence}\n"
