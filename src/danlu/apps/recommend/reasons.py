"""Why an item is in a list, in a sentence that is true: what it names is what the user did, and what he shares."""

from dataclasses import dataclass, field

import numpy as np

from danlu.apps.recommend.catalogue import Catalogue
from danlu.apps.recommend.features import View

TOGETHER, ALIKE = 0.02, 0.12
"""From which likeness by behaviour, and by text, it is told of."""
WISHED = 0.04
"""From which likeness to a text of interests these are told of."""
NEW = 3.0
"""Days for which an item is told of as new."""

DONE = {
    "view": ("read", "看过"),
    "click": ("opened", "点开过"),
    "comment": ("commented on", "评论过"),
    "share": ("shared", "转发过"),
}
_SENTENCES = {
    "together": (
        "Because you {done} “{title}”, and who did so has read this too.",
        "因为你{done}《{title}》，这样做的人也看了这一篇。",
    ),
    "alike": ("Because you {done} “{title}”, which is about the same.", "因为你{done}《{title}》，内容相近。"),
    "interests": ("It fits your interests: {words}.", "符合你的兴趣：{words}。"),
    "interests_plain": ("It fits your interests.", "符合你的兴趣。"),
    "new": ("It is new.", "这是新内容。"),
    "popular": ("Many come to it these days.", "近来很受欢迎。"),
    "rest": ("You have not seen it yet.", "你还没有看过。"),
}


@dataclass(frozen=True)
class Reason:
    """Why: its kind (together, alike, interests, new, popular, rest), and the item, action and words that it names."""

    kind: str
    item: str = ""
    title: str = ""
    action: str = ""
    words: tuple[str, ...] = field(default=())

    def sentence(self, language: str) -> str:
        """In English ('en') or Chinese ('zh')."""
        zh = language == "zh"
        kind = "interests_plain" if self.kind == "interests" and not self.words else self.kind
        done = DONE.get(self.action, ("chose", "选择过"))[zh]
        words = ("、" if zh else ", ").join(self.words)
        return _SENTENCES[kind][zh].format(done=done, title=self.title, words=words)


def reason_of(place: int, view: View, catalogue: Catalogue, words: tuple[str, ...] = ()) -> Reason:
    """What speaks most for an item; `words` are those that it shares with the interests of the user.

    Of what he has done that is most like it, by behaviour or by text, where an action that says more counts more.
    """
    if view.wish is not None and view.wish[place] >= WISHED and view.wish[place] >= view.texts[:, place].max(initial=0):
        return Reason("interests", words=words)
    if len(view.history):
        heavy = np.sqrt(view.weights)
        found = [
            (float((likeness[:, place] * heavy).max()), kind, int(np.argmax(likeness[:, place] * heavy)))
            for kind, likeness, least in (("together", view.alike, TOGETHER), ("alike", view.texts, ALIKE))
            if likeness[:, place].max() >= least
        ]
        if found:
            _, kind, most = max(found)
            read, touch = view.history[most]
            return Reason(kind, catalogue.items[read].id, catalogue.items[read].shown, touch.action)
    if view.of("no_age")[place] == 0 and np.expm1(view.of("age")[place]) <= NEW:
        return Reason("new")
    return Reason("popular" if view.of("users")[place] > 0 else "rest")
