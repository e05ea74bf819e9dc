"""The models that a server has open, by their names; each may be taken anew from its folder while it serves."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from danlu.bundle import manifest
from danlu.bundle.adapt import adapt
from danlu.bundle.adapter import BASE, refuse_name
from danlu.bundle.answering import Answering
from danlu.bundle.bundle import Bundle, load
from danlu.bundle.verify import differences, refuse_drift
from danlu.engine.predict import Predictor
from danlu.machine.crew import let_go_of_cores
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.serve.problem import Problem, told_in_log


@dataclass(frozen=True)
class Place:
    """Where a model comes from.

    - `name`: by which it is asked; `path`: the folder of its bundle, as it was given.
    - `adapters`: folders of adapters that are put on it beside its own, by their names.
    - `accepts`: raises `Refusal` for a bundle that would not do here; asked of each that is opened.
    - `fixed`: what the model says is kept, so that another one cannot take its place while it serves.
    """

    name: str
    path: str
    precision: str | None = None
    threads: int | None = None
    key: str | None = None
    adapters: tuple[tuple[str, str], ...] = ()
    accepts: Callable[[Answering], object] | None = None
    fixed: bool = False


@dataclass(eq=False)
class Open:
    """A bundle that is open: how many requests use it, and whether it is still offered."""

    place: Place
    bundle: Bundle
    stamp: tuple[tuple[str, int, int], ...]
    made: TemporaryDirectory[str] | None = None
    users: int = 0
    offered: bool = True

    def close(self) -> None:
        """End the threads of the bundle, and remove what was made for it."""
        self.bundle.close()
        if self.made is not None:
            self.made.cleanup()


@dataclass(frozen=True)
class Model:
    """What answers under a name; `adapter` is the one that does, or 'base'."""

    name: str
    adapter: str
    bundle: Bundle

    @property
    def predictor(self) -> Predictor:
        """Its threads."""
        return self.bundle.predictor_of(self.adapter)

    @property
    def fingerprint(self) -> str:
        """Tells whether two answers came from the same files."""
        return self.bundle.fingerprint_of(self.adapter)


class Kept(Refusal):
    """Some models stay as they were; `taken`: the names of those that were exchanged."""

    def __init__(self, sentence: str, taken: list[str]) -> None:
        super().__init__(sentence)
        self.taken = taken


@dataclass(eq=False)
class Shelf:
    """All that is open; `lease`, `reload` and `replay` may be called from any thread.

    - `drifted`: what differs from the golden outputs, by the name of a model; ready is who has none.
    """

    places: Sequence[Place]
    drifted: dict[str, list[str]] = field(default_factory=dict)
    _open: dict[str, Open] = field(default_factory=dict)
    _state: threading.Lock = field(default_factory=threading.Lock)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> None:
        """Open all of them, and replay their golden outputs.

        Raises:
            Refusal: two have one name; one cannot be opened, or does not answer as it did when it was saved.
        """
        names = [place.name for place in self.places]
        if twice := [name for name in names if names.count(name) > 1]:
            raise Refusal(
                f"two models are called '{twice[0]}', and requests tell them apart by name; give names: "
                f"danlu serve NAME=FOLDER NAME=FOLDER"
            )
        try:
            for place in self.places:
                self._put(self._opened(place))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all; whoever still waits is refused."""
        for each in self._open.values():
            each.close()
        self._open = {}

    @property
    def names(self) -> list[str]:
        """By which models are asked: each bundle, and its adapters as NAME/ADAPTER."""
        return [
            name
            for place in self.places
            if (each := self._open.get(place.name)) is not None
            for name in (place.name, *(f"{place.name}/{adapter}" for adapter in _asked_apart(each.bundle)))
        ]

    @contextmanager
    def lease(self, name: str | None) -> Iterator[Model]:
        """The model of a name, which stays open as long as it is used; None: the only one.

        Raises `Problem` where there is none of this name.
        """
        with self._state:
            chosen = self.places[0].name if name is None and len(self.places) == 1 else name
            if chosen is None:
                told = f"the request names no model; those here are: {', '.join(self.names)}"
                raise Problem(400, "model_missing", told, "model")
            owner, slash, adapter = chosen.partition("/")
            found = self._open.get(owner)
            if found is None or (slash and adapter not in _asked_apart(found.bundle)):
                close = nearest(chosen[:80], self.names)
                told = f"there is no model '{chosen:.80}'{close or ';'} here are: {', '.join(self.names)}"
                raise Problem(404, "model_not_found", told, "model")
            found.users += 1
        try:
            yield Model(chosen, adapter or found.bundle.serves, found.bundle)
        finally:
            with self._state:
                found.users -= 1
                over = not found.offered and not found.users
            if over:  # not here: threads are waited for until they are done with what nobody waits for
                threading.Thread(target=found.close, name="danlu-closing").start()

    def reload(self, name: str | None = None) -> list[str]:
        """Take models anew from their folders, all or the one of a name; gives the names.

        A model goes on answering until its successor is open and answers as it did when it was saved, and after that
        as long as somebody waits for it.

        Raises:
            Kept: a new one cannot be opened, answers otherwise, or would not do; the old one stays, and the others are
                taken all the same.
        """
        places = [place for place in self.places if name in (None, place.name)]
        if name is not None and not places:
            raise Problem(404, "model_not_found", f"there is no bundle '{name:.80}' to be taken anew", "model")
        refused: dict[str, str] = {}
        with self._changing:
            for place in places:
                try:
                    self._put(self._opened(place))
                except Exception as error:  # too little memory for both, say
                    refused[place.name] = str(error) if isinstance(error, Refusal | OSError) else told_in_log(error)
        taken = [place.name for place in places if place.name not in refused]
        if refused:
            stay = "; ".join(f"'{each}' stays as it was: {why}" for each, why in refused.items())
            raise Kept(f"taken anew: {', '.join(taken)}; {stay}" if taken else stay, taken)
        return taken

    def offer(self, place: Place) -> None:
        """Open one more. Raises `Refusal` as `open` does, and nothing has changed then."""
        with self._changing:
            self._put(self._opened(place))
            self.places = [*(each for each in self.places if each.name != place.name), place]

    def withdraw(self, name: str) -> None:
        """Offer one no longer; it is closed by its last user."""
        with self._changing, self._state:
            self.places = [place for place in self.places if place.name != name]
            self.drifted.pop(name, None)
            old = self._open.pop(name, None)
            over = old is not None and _unoffered(old)
        if old is not None and over:
            old.close()

    def replay(self) -> dict[str, list[str]]:
        """Ask all models for their golden outputs, and look at their files if these were touched; what differs."""
        with self._changing:
            for name, each in list(self._open.items()):
                found: list[str] = []
                try:
                    found += differences(each.bundle)
                    stamp = _stamp(each.bundle.folder)
                    if stamp != each.stamp:
                        manifest.read(each.bundle.folder, each.place.key)
                        each.stamp = stamp
                except (Refusal, OSError) as error:
                    found.append(f"its files are no longer those that it was opened from: {error}")
                except Exception as error:
                    found.append(f"it could not be asked for its golden outputs: {type(error).__name__}")
                self.drifted[name] = found
        return dict(self.drifted)

    def _opened(self, place: Place) -> Open:
        made = TemporaryDirectory(prefix="danlu-serve-") if place.adapters else None
        try:
            path = Path(place.path) if made is None else _adapted(place, Path(made.name))
            key = place.key if made is None else None  # what adapters are put on was checked before
            bundle = load(path, place.precision, threads=place.threads, key=key)
            found = Open(place, bundle, _stamp(bundle.folder), made)
        except BaseException:
            if made is not None:
                made.cleanup()
            raise
        try:
            self._refuse_unfit(place, bundle)
            refuse_drift(bundle)
        except BaseException:
            found.close()
            raise
        finally:
            let_go_of_cores()  # a reload has a thread of its own, which lives on
        return found

    def _refuse_unfit(self, place: Place, bundle: Bundle) -> None:
        if place.accepts is not None:
            place.accepts(bundle)
        now = self._open.get(place.name)
        if place.fixed and now is not None and now.bundle.fingerprint != bundle.fingerprint:
            raise Refusal(
                f"{bundle.folder}: is another model than the one that serves as '{place.name}', and what that has said "
                "is kept; end the server, and start it with this one"
            )

    def _put(self, new: Open) -> None:
        with self._state:
            old = self._open.get(new.place.name)
            self._open[new.place.name] = new
            self.drifted[new.place.name] = []
            over = old is not None and _unoffered(old)
        if old is not None and over:
            old.close()


def _unoffered(old: Open) -> bool:
    """Offer it no longer; whether nobody uses it, so that it is to be closed here and not by its last user."""
    old.offered = False
    return not old.users


def place_of(argument: str) -> Place:
    """`NAME=FOLDER`, or a folder, whose name is that of its recipe.

    Raises:
        Refusal: there is no bundle, or the name would not do.
    """
    name, equals, path = argument.partition("=")
    if not equals or Path(argument).exists():
        name, path = "", argument
    folder = manifest.find(path)
    if not name:
        told = manifest.read(folder).get("provenance", {})
        name = str(told.get("recipe") or "") if folder.name == "bundle" else folder.name
        name = name or folder.resolve().parent.name
    if not name or any(sign in name for sign in "/\\?#") or not name.isprintable() or len(name) > 100:
        raise Refusal(f"'{name:.80}' cannot be the name of a model; write NAME={path} with a plain name")
    return Place(name, str(path))


def named_adapter(argument: str) -> tuple[str, str]:
    """`NAME=FOLDER` of an adapter. Raises `Refusal` where it is not that."""
    name, equals, path = argument.partition("=")
    if not equals or not path:
        raise Refusal(f"--adapter {argument:.80}: expected NAME=FOLDER, by which name it is to be asked")
    refuse_name(name)
    return name, path


def _adapted(place: Place, folder: Path) -> Path:
    """A copy of a bundle with the adapters of `place`, in a folder of its own.

    Raises:
        Refusal: see `danlu.bundle.adapt`; an adapter belongs to another base, or answers otherwise than it did.
    """
    manifest.read(manifest.find(place.path), place.key)
    path = Path(place.path)
    for number, (name, adapter) in enumerate(place.adapters):
        path = adapt(path, adapter, name, folder / str(number))
    return path


def _asked_apart(bundle: Bundle) -> list[str]:
    """The adapters, and the base where an adapter serves."""
    return [*bundle.adapters, *([BASE] if bundle.serves != BASE else [])]


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Sizes and times of all files: what changes as soon as one of them is touched."""
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
