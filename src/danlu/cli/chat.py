"""`danlu chat BUNDLE`."""

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.bundle import Bundle
    from danlu.model.policy import Policy
    from danlu.model.written import Written

COMMANDS = ("/reset", "/system", "/undo", "/help", "/exit")


def command(
    bundle: Annotated[str, typer.Argument(help="folder of a bundle of the task chat")],
    how: Annotated[
        list[str] | None, typer.Argument(help="how answers are written: policy.kind=sample policy.temperature=0.7")
    ] = None,
    *,
    system: Annotated[str, typer.Option(help="what the model is told first")] = "",
    precision: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16; as the bundle says")] = None,
    threads: Annotated[int | None, typer.Option(help="cores to use; all")] = None,
    adapter: Annotated[str | None, typer.Option(help="its name; base for the model without any")] = None,
) -> None:
    """Talk with a model: its answers come word by word, and what was said before is kept.

    Ctrl-C stops an answer, Ctrl-D ends. /reset begins anew, /system TEXT says what the model is told first, /undo takes
    the last question back, /help tells of these.
    """
    from danlu.bundle.bundle import load
    from danlu.language import default, translator
    from danlu.model.policy import changed
    from danlu.recipe.read import keyed

    named = keyed(how or ())
    if unknown := [name for name in named if name != "policy"]:
        raise Refusal(f"{unknown[0]}: is no setting of a conversation; they begin with 'policy.'")
    with load(bundle, precision, threads=threads, adapter=adapter) as loaded:
        if "messages" not in loaded.task.columns:
            raise Refusal(
                f"{bundle}: was trained for {loaded.task.kind}, which holds no conversation; ask it with: danlu predict"
            )
        policy = changed(loaded.predictor.policy, None, named.get("policy", {}))
        _Talk(loaded, policy, translator(default()), system).go_on()


@dataclass
class _Talk:
    """A conversation under way; `kept`: whether the last question is; `turns`: that were asked."""

    bundle: "Bundle"
    policy: "Policy"
    translate: Callable[[str], str]
    system: str = ""
    messages: list[dict[str, str]] = field(default_factory=list)
    kept: bool = True
    turns: int = 0
    last: "Written | None" = None

    def go_on(self) -> None:
        """Answer line after line, until there is none."""
        for line in self._lines():
            if line.strip() == "/exit":
                return
            if line.lstrip().startswith("/"):
                self._obey(line.strip())
            elif line.strip():
                self._answer(line)

    def _lines(self) -> Iterator[str]:
        from danlu.machine.terminal import say, typed_lines

        if not sys.stdin or not sys.stdin.isatty():
            yield from typed_lines()
            return
        _ = self.translate
        say(_("Ctrl-C stops an answer, Ctrl-D ends the conversation; /help shows what else there is."), err=True)
        while True:
            try:
                yield input("> ")
            except EOFError:
                say("", err=True)
                return

    def _obey(self, line: str) -> None:
        from danlu.machine.terminal import say

        _ = self.translate
        name, _space, rest = line.partition(" ")
        if name == "/reset":
            self.messages.clear()
            say(_("The conversation begins anew."), err=True)
        elif name == "/system":
            self._tell(rest.strip())
        elif name == "/undo" and not self.messages and self.kept:
            say(_("There is no question to take back."), err=True)
        elif name == "/undo":
            if self.kept:
                del self.messages[-2:]
            self.kept = True
            say(_("The last question and its answer are taken back."), err=True)
        elif name == "/help":
            say(
                _(
                    "/reset begins anew, /system TEXT says what the model is told first, /undo takes the last question "
                    "back, /exit ends."
                ),
                err=True,
            )
        elif name not in COMMANDS:
            say(_("There is no {name}; there are: {names}").format(name=name, names=", ".join(COMMANDS)), err=True)

    def _tell(self, system: str) -> None:
        """Begin anew with another text that the model is told first; without one, with none."""
        from danlu.machine.terminal import say

        _ = self.translate
        if not system and not self.system:
            say(_("Write what the model is to be told first behind /system."), err=True)
            return
        self.system = system
        self.messages.clear()
        told = _("The model is told this first, and the conversation begins anew.")
        say(told if system else _("The model is told nothing first, and the conversation begins anew."), err=True)

    def _drawing(self) -> "Policy":
        """The policy with a seed of its own for each turn: what is asked once more may be answered otherwise."""
        seed = getattr(self.policy, "seed", None)
        self.turns += 1
        return self.policy if seed is None else self.policy.model_copy(update={"seed": seed + self.turns - 1})

    def _written(self, record: dict[str, Any]) -> Generator[str, None, None]:
        """The pieces of an answer; `last` is the whole of it."""
        self.last = yield from self.bundle.generate_stream(record, self._drawing())

    def _answer(self, line: str) -> None:
        from danlu.machine.terminal import say, show_piece

        _ = self.translate
        asked = [*self.messages, {"role": "user", "content": line}]
        system = [{"role": "system", "content": self.system}] if self.system else []
        record = {"messages": [*system, *asked]}
        answer = ""
        try:
            predictor = self.bundle.predictor
            if any(item.cut for item in predictor.prompts([record], self.policy)):
                say(_("(The oldest questions no longer fit, and the model does not see them.)"), err=True)
            with closing(self._written(record)) as pieces:
                for piece in pieces:
                    answer += piece
                    show_piece(piece)
        except KeyboardInterrupt:  # who asked has read enough
            show_piece("\n")
            say(_("(Stopped.)"), err=True)
        except Refusal as refusal:
            say(str(refusal), err=True)
            show_piece("\n")
        else:
            show_piece("\n")
            if self.last is not None and self.last.ended == "length":
                cut = _("(The answer was cut at {tokens:,} tokens, the most that it may have.)")
                say(cut.format(tokens=len(self.last.ids)), err=True)
        self.kept = bool(answer.strip())
        if self.kept:
            self.messages = [*asked, {"role": "assistant", "content": answer}]
