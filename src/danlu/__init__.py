"""danlu (丹炉): from raw text to a language model that serves.

`danlu.run("recipe.yaml")` trains what a recipe says, `danlu.load("runs/.../bundle").predict(["..."])` uses it.
Importing this package imports neither torch nor transformers; what needs them does so when it is called.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.bundle import Bundle
    from danlu.data.record import Record
    from danlu.explain.explanation import Explanation
    from danlu.stages.run import Run
    from danlu.train.events import Event, Leave

    __version__: str

__all__ = ["Refusal", "__version__", "explained", "load", "run"]


def load(
    path: str | Path, precision: str | None = None, *, key: str | Path | None = None, adapter: str | None = None
) -> "Bundle":
    """Open a bundle for prediction; `precision` is 'auto', 'float32' or 'bfloat16', None as the bundle says.

    With `key`, the file of a public key, the bundle must be signed by whoever holds the private one (`danlu sign`).
    `adapter` names the one that is to answer where no other is asked for, 'base' the model without any.

    Raises:
        Refusal: the folder is no bundle, one of its files is not what was saved, it is not signed with `key`, or it
            has no such adapter.
    """
    from danlu.bundle.bundle import load as load_bundle

    return load_bundle(path, precision, key=key, adapter=adapter)


def explained(
    bundle: "str | Path | Bundle", items: "Sequence[str | Record]", method: Any = "integrated_gradients", **wanted: Any
) -> "list[Explanation]":
    """Which words the answers of a bundle go back to, in order; `danlu.explain.explain` tells what may be `wanted`.

    `method` is an explainer by name or with its settings, as in `{"kind": "attention", "layer": 3}`.

    Raises:
        Refusal: the folder is no bundle, or its answers cannot be explained so.
    """
    from danlu.bundle.bundle import exact
    from danlu.explain.explain import explain

    return explain(load(bundle, exact(bundle)) if isinstance(bundle, str | Path) else bundle, items, method, **wanted)


def run(
    recipe: str | Path | Mapping[str, Any],
    *,
    root: str | Path = "runs",
    only: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
    beside: bool = False,
    watch: "Callable[[str, Event], Leave | None]" = lambda _stage, _event: None,
    **overrides: Any,
) -> "Run":
    """Run a recipe (a YAML file, the name of one that comes with the package, or a dict) in `root/<its name>`.

    Overrides are values by address: `run("reviews.yaml", seed=1, **{"finetune.train.rate": 1e-4})`. `only`
    names the stages to run, `say` gets each line that is meant for the person who watches. With `beside` nothing that
    lies there is renamed: what is not there yet goes to `<stage>.<fingerprint>`. `watch` gets the name of a stage that
    trains and each event of its training (`danlu.train.events`); it stops it by giving back "checkpoint" or "best".
    Of a recipe with several `seeds` it is the best by validation that is given back.

    Raises:
        Refusal: the recipe, the data or the machine cannot do what is asked; the message says what to change.
        Stopped: `watch` has stopped a training; the same call goes on with it.
    """
    from danlu.stages.recipe import read
    from danlu.stages.run import run as run_stages

    sound = read(recipe, overrides)
    if sound.seeds > 1:
        from danlu.trials.seeds import run_seeds

        return run_seeds(sound, Path(root), only, say, beside=beside, watch=watch).run
    return run_stages(sound, Path(root), only, say, beside=beside, watch=watch)


def __getattr__(name: str) -> Any:
    if name == "__version__":  # read only when asked for: it takes a fifth of `danlu --help`
        from importlib.metadata import version

        return version("danlu")
    raise AttributeError(f"module 'danlu' has no attribute '{name}'")
