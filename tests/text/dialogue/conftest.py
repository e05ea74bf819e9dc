"""A tokenizer, and how templates write calls with it."""

import pytest

from danlu.recipe.part import find
from danlu.text.dialogue.call_forms import form_of_calls
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

from .made_templates import BRACED, ENDS, LISTED, NAMED, PYTHON, TEMPLATES, jinja


@pytest.fixture(scope="package")
def bpe() -> Tokenizer:
    return Extended(base=Bpe(size=300), special=ENDS).build(lambda: iter(["北京天气"]))


@pytest.fixture(scope="package")
def forms(bpe: Tokenizer) -> dict[str, CallForm]:
    found = {name: form_of_calls(jinja(name), bpe) for name in TEMPLATES}
    found["chatml"] = form_of_calls(find(Template, "chatml")().jinja(bpe), bpe)  # type: ignore[type-abstract]
    return {name: form for name, form in found.items() if form is not None}


@pytest.fixture(scope="package")
def others(bpe: Tokenizer) -> dict[str, CallForm]:
    """Forms in which a call is no object of its own."""
    found = {name: form_of_calls(jinja(name), bpe) for name in (*LISTED, *NAMED, *PYTHON, *BRACED)}
    return {name: form for name, form in found.items() if form is not None}
