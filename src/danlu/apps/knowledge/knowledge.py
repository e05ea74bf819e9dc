"""A folder of documents that answers questions: found in an index that follows it, answered from passages."""

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from danlu.apps.bundles import Role
from danlu.apps.grounded.asked import checked_question, content, words
from danlu.apps.grounded.bar import PLAIN, Bar
from danlu.apps.grounded.extract import refuse_other_readers
from danlu.apps.grounded.grounded import Grounded, Grounder
from danlu.apps.grounded.write import refuse_other_writers
from danlu.apps.knowledge.following import How, Reading, Turn, may_stand_alone, readings, subject_of
from danlu.index.document import Document, Found
from danlu.index.embedding import Embedder
from danlu.index.index import Index
from danlu.index.intake import Refreshed
from danlu.index.reranking import Reranker
from danlu.index.tokens import tokens
from danlu.machine.files import write_text
from danlu.machine.located import at_home
from danlu.refusal import Refusal, without_secrets

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

LOOKED_AT = 10
"""Passages from which a question is answered."""

TRIES = 3
"""That a question is sought again where its documents change while it is answered."""

OWN = 0.5
"""Share of the words of a question that must stand where it is answered, what it has of the one before aside."""

THRESHOLD = "threshold.json"

ROLES = {
    "embedder": Role(Embedder, kept=True),
    "ranker": Role(Reranker),
    "reader": Role(refuse_other_readers),
    "generator": Role(refuse_other_writers),
}
"""The bundles that help, by the names of `Models`."""


@dataclass(frozen=True)
class Models:
    """The bundles that help, none of which is needed: of `embed`, `rank`, `answer`, and one that writes."""

    embedder: "Answering | None" = None
    ranker: "Answering | None" = None
    reader: "Answering | None" = None
    generator: "Answering | None" = None

    @property
    def told(self) -> str | None:
        """Which they are, as far as a threshold depends on them; None: there are none."""
        named = {"embedder": self.embedder, "ranker": self.ranker, "reader": self.reader}
        told = [f"{name}:{each.fingerprint}" for name, each in named.items() if each is not None]
        return ",".join(told) or None


@dataclass(frozen=True)
class Answer:
    """What became of a question: how it was read, what was answered, and what that was about."""

    grounded: Grounded
    how: How
    subject: str

    def to_plain(self) -> dict[str, Any]:
        """As programs read it; `read_as` and `subject` are what a question that follows is completed by."""
        told = self.grounded.to_plain()
        return {"read_as": told.pop("question"), "how": self.how, "subject": self.subject, **told}


@dataclass
class Knowledge:
    """Documents that answer; may be asked by many threads while the index follows the folder.

    - `threshold`: the file that `fit` writes; where there is none, or it was fitted with other models, `notes` say so.
    - `refreshed`, `at`: what the last refresh did, and when (seconds since 1970).
    """

    index: Index
    folder: Path
    threshold: Path
    models: Models
    grounder: Grounder
    notes: list[str] = field(default_factory=list)
    refreshed: Refreshed = field(default_factory=Refreshed)
    at: float = 0.0
    _told: str | None = None
    _refreshing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(
        cls,
        folder: Path,
        place: str,
        models: Models | None = None,
        *,
        prefixes: tuple[str, str] = ("", ""),
        anew: bool = False,
    ) -> Self:
        """Open what is known of a folder, kept at `place`: a folder, or the address of a PostgreSQL database.

        Raises:
            Refusal: a bundle is of another task, the index belongs to another embedder or folder, or a file is damaged.
        """
        models = models or Models()
        grounder = Grounder(models.reader, models.generator)
        if not folder.is_dir():
            raise Refusal(
                f"{folder}: is no folder; give the folder with the documents, or begin with made-up ones: "
                "danlu app knowledge --sample"
            )
        if "://" not in place and Path(place).resolve() == folder.resolve():
            raise Refusal(f"{place}: is the folder of the documents; keep the index in another: --index FOLDER")
        index = Index.open(place, embedder=models.embedder, reranker=models.ranker, prefixes=prefixes, anew=anew)
        found = cls(index, folder, _threshold_of(place), models, grounder)
        try:
            found._refuse_other_folder(place)
            found.take_threshold()
        except BaseException:
            index.close()
            raise
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index; the bundles stay open."""
        self.index.close()

    def _refuse_other_folder(self, place: str) -> None:
        """Refuse an index of another folder, all of which would be taken for gone."""
        folder, base = at_home(self.folder).resolve(), Path()
        told = str(folder)
        if "://" not in place:  # they may be moved together
            base = at_home(place).resolve()
            told = Path(os.path.relpath(folder, base)).as_posix() if folder.drive == base.drive else told
        kept = self.index.kept_once("folder", told)
        if kept != told:
            raise Refusal(
                f"{place}: is the index of {os.path.normpath(base / kept)}, and all of that would be forgotten for "
                f"{folder}; give another index: --index FOLDER, or an empty database"
            )

    def refresh(self) -> Refreshed:
        """Make the index follow the folder, one refresh at a time, and take the threshold that was fitted last.

        Raises:
            Refusal: the folder is gone, or the disk is full.
        """
        with self._refreshing:
            self.refreshed = self.index.refresh(self.folder)
            own, folder = self.threshold.parent.resolve(), self.folder.resolve()
            if folder in own.parents:  # an index below the documents is none of them
                within = f"{own.relative_to(folder).as_posix()}/"
                self.refreshed.unread = [each for each in self.refreshed.unread if not each[0].startswith(within)]
            self.at = time.time()
            self.take_threshold()
            return self.refreshed

    def ask(self, question: str, before: Turn | None = None) -> Answer:
        """Answer a question, which may follow another.

        Where it may be read in more than one way, the one that is answered with more certainty counts, as a question
        may stand alone as well. The first does where it is about another thing, or has a pronoun and says little
        besides, or what it says stands where it is answered.

        Raises:
            Refusal: the question is empty or too long.
        """
        if self.models.told != self._told:  # a bundle was taken anew
            self.take_threshold()
        ways = readings(checked_question(question), before)
        found: list[tuple[Reading, Grounded]] = []
        for way in ways:
            grounded = self._answered(way.text)
            own = _own(question, way, grounded)
            if grounded.answered and way.how in ("instead", "about") and own < OWN:
                grounded = replace(grounded, text="", way="", cited=(), why="unsure")
            found.append((way, grounded))
            if way.how == "pronoun" and not may_stand_alone(question):
                break
            if grounded.answered and (way.how == "instead" or (way.how == "pronoun" and own > OWN)):
                break
        way, grounded = max(found, key=lambda each: (each[1].answered, each[1].sure))
        if not grounded.answered:
            way, grounded = found[-1] if ways[0].how == "about" else found[0]
        return Answer(grounded, way.how, self._subject(grounded))

    def search(self, question: str, limit: int = LOOKED_AT) -> list[Found]:
        """The passages that fit a question best; words that only ask are left to models that read them."""
        words_alone = self.models.embedder is None and self.models.ranker is None
        return self.index.search(content(question) if words_alone else question, limit)

    def document(self, name: str) -> Document | None:
        """The document of an id as it is now."""
        return self.index.document(name)

    def take_threshold(self) -> None:
        """Take the threshold that was fitted, if it was with these models; else the one that needs none."""
        bar, self.notes, self._told = PLAIN, [], self.models.told
        if self.threshold.is_file():
            bar = Bar.from_plain(_json_in(self.threshold), str(self.threshold))
            if bar.models != self._told:
                told = "was fitted with other models, and is not used; fit it again: danlu app knowledge fit"
                bar, self.notes = PLAIN, [f"{self.threshold}: {told}"]
        if bar != self.grounder.bar:
            self.grounder = replace(self.grounder, bar=bar)

    def keep_threshold(self, bar: Bar) -> None:
        """Write the threshold, as a whole, and use it from now on."""
        write_text(self.threshold, json.dumps(bar.to_plain(), indent=1, ensure_ascii=False) + "\n")
        self.take_threshold()

    def _answered(self, question: str) -> Grounded:
        """The answer to a question; sought again where what was found is no longer there."""
        for _ in range(TRIES):
            found = self.grounder.answer(question, self.search(question), self.document)
            if found.why != "changed":
                break
        return found

    def _subject(self, grounded: Grounded) -> str:
        if not grounded.cited:
            return ""
        passage = grounded.passages[grounded.cited[0].number - 1]
        return subject_of(grounded.question, passage.title, passage.text)


def _own(question: str, way: Reading, grounded: Grounded) -> float:
    """How many of the question's own words stand where it is answered, as a share, 0 to 1."""
    sought = set(words(question)) & set(words(way.text))  # without pronouns, and what leads on to another thing
    if not sought:
        return float(grounded.answered)
    where = (grounded.passages[each.number - 1] for each in grounded.cited)
    found = (len(sought & set(tokens(f"{each.title}\n{each.text}"))) for each in where)
    return max(found, default=0) / len(sought)


def _threshold_of(place: str) -> Path:
    """The file of the threshold: in the folder of an index; of a database in ./knowledge, one for each."""
    if "://" not in place:
        return Path(place) / THRESHOLD
    mark = sha256(without_secrets(place).encode()).hexdigest()[:12]  # who asks, with which password, is all the same
    return Path("knowledge") / f"threshold-{mark}.json"


def _json_in(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Refusal(f"{path}: cannot be read; remove it, or fit a threshold again") from None
    if not isinstance(found, dict):
        raise Refusal(f"{path}: holds no threshold; remove it, or fit one again")
    return found
