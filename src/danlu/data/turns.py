"""Who may speak when in a conversation that something is learnt from."""

ROLES = ("system", "user", "assistant", "tool")

_BEFORE = {"user": ("system", "assistant", "tool"), "assistant": ("user", "tool"), "tool": ("assistant", "tool")}
"""Whose message may stand before one of each role."""


def out_of_turn(role: str, before: str | None) -> str:
    """What is wrong with a message of a role behind one of another, None where it is the first; or nothing."""
    if role == "system":
        return "a system message stands first, or nowhere; move it there" if before is not None else ""
    if (before or "system") in _BEFORE[role]:
        return ""
    if before in (None, "system"):
        return f"the {role} speaks first; a conversation begins with a message of the user"
    if role == before:
        return f"the {role} speaks twice in a row; join the two messages, or add the answer between them"
    return f"the {role} cannot speak after the {before}; mend the order of the messages"
