"""Whether a text holds a secret: a key whose form is known, or a long literal that a name such as `password` is given.

Rather a file too many is taken for one that does, since a model repeats what it has learnt.
"""

import re

_KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bPuTTY-User-Key-File-|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|\bgithub_pat_\w{40}|\bxox[a-z]-[A-Za-z0-9-]{20}|\bxapp-[A-Za-z0-9-]{20}|\bsk-[A-Za-z0-9_-]{32}"
    r"|\b[sr]k_(?:live|test)_[A-Za-z0-9]{10}|\bwhsec_[A-Za-z0-9]{20}|\bAIza[0-9A-Za-z_-]{35}|\bhf_[A-Za-z0-9]{30}"
    r"|\bglpat-[0-9A-Za-z_-]{20}|\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_-]{50}|\bSG\.[\w-]{20,24}\.[\w-]{20}"
    r"|\beyJ[\w-]{10,2000}\.eyJ[\w-]{10}|://[^/\s:@{}<>$%*]{1,64}:[^/\s:@{}<>$%*]{8,}@"
)
_NAME = (
    r"(?P<name>(?:secret|passw(?:or)?d|passphrase|\bpwd|_pwd|token(?!i[sz])|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|auth[_-]?key)[\w.-]{0,40})"
)
_QUOTED = re.compile(  # also behind a type, as the default of a look-up, or compared
    rf"""{_NAME}(?:["']\]?\s*,|["'\])]{{0,3}}(?:\s*:\s*[A-Za-z][\w\[\]|. ]{{0,40}}?)?\s*(?:={{1,3}}>?|:=?))"""
    r"""\s*[bBrRuU@]?(?P<quote>["'`])(?P<value>[^\s"'`]{8,2000})(?P=quote)""",
    re.IGNORECASE,
)
_LINE = re.compile(  # as in settings and shells
    rf"^(?P<before>[ \t]*(?:- |export |env |arg |set )?)[\w.-]{{0,60}}?{_NAME}(?P<sign>[ \t]*[:=][ \t]*)"
    r"(?P<value>(?![=$%])[^\s\"'`()\[\]{}<>,;]{6,2000})[ \t\r]*(?:#.*)?$",
    re.IGNORECASE | re.MULTILINE,
)
_OTHER = re.compile(
    r"(?:url|uri|path|file|folder|dir|field|type|model|header|label|name|pattern|regex|format|class|endpoint|column|"
    r"prefix|suffix|version|dtype|message|error|help|title)s?$",
    re.IGNORECASE,
)
"""Of names that say what a secret is called, where it lies or how it is sent."""
_SPOKEN = re.compile(
    r"passw|pwd|phrase|secret|token|key|your|example|change|placeholder|dummy|xxx|\.\.\.", re.IGNORECASE
)
"""In literals that say what is to be put there, or are names again."""


def holds_secret(text: str) -> bool:
    """Whether a text does."""
    return bool(
        _KEYS.search(text)
        or any(_told(match["name"], match["value"]) for match in _QUOTED.finditer(text))
        or any(_settled(match) for match in _LINE.finditer(text))
    )


def _told(name: str, value: str) -> bool:
    """Whether a literal in quotation marks is a secret."""
    if _OTHER.search(name) or "://" in value or "${" in value or value[0] in "<{$[%":
        return False
    return _mixed(value) or (
        len(value) >= 16 and bool(re.match("pass|_?pwd|secret", name, re.IGNORECASE)) and not _SPOKEN.search(value)
    )


def _settled(match: re.Match[str]) -> bool:
    """Whether what stands alone behind a name is one; in code it would be a variable or its type."""
    name, value, sign = match["name"], match["value"], match["sign"]
    if _OTHER.search(name) or "://" in value:
        return False
    if sign == "=" and (not match["before"] or match["before"].strip()):
        return _mixed(value) or not _SPOKEN.search(value)
    variable = re.fullmatch(r"[A-Za-z_]\w*(?:[.:]+\w+)*", value)
    return len(value) >= 8 and _mixed(value) and (not variable or (len(value) >= 16 and value.isalnum()))


def _mixed(value: str) -> bool:
    return bool(re.search(r"\d", value) and re.search(r"[A-Za-z]", value))
