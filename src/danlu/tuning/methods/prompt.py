"""Soft prompts: vectors in the place of word embeddings before each text (Lester et al. 2021)."""

from danlu.tuning.virtual import Virtual


class Prompt(Virtual):
    """Train the embeddings of some tokens that stand before each text, and the head where it is a fresh one."""
