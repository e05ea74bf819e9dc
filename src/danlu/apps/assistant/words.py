"""What the assistant itself says to customers, in both languages; all else is text of tickets and people."""

import re

_SAID = {
    "no_question": ("Please write what you would like to know.", "请写下您想了解的问题。"),
    "person": (
        "I have no sure answer to this. I have passed it on to a person, who sees what we have said so far.",
        "这个问题我没有把握回答，已转给人工客服，对方能看到我们之前的对话。",
    ),
    "still_person": (
        "I have no sure answer to this either, and have added it to what the person sees.",
        "这个问题我也没有把握回答，已补充给人工客服。",
    ),
    "asked_person": (
        "I have passed this on to a person, who sees what we have said so far.",
        "已为您转接人工客服，对方能看到我们之前的对话。",
    ),
    "summary": (
        "{turns} questions in this conversation, {answered} answered. Now asked: {question}",
        "本次对话共 {turns} 个问题，已回答 {answered} 个。当前问题：{question}",
    ),
    "about": ("Probably about: {intent}.", "可能的意图：{intent}。"),
    "before": ("Asked before: {questions}", "此前问过：{questions}"),
    "nearest": ("Nearest past answer: {answer}", "最接近的历史答复：{answer}"),
    "rejected": ("Answers called wrong: {count}.", "被认为有误的答复：{count} 个。"),
}
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z]+")


def said(name: str, language: str, **things: object) -> str:
    """A sentence in 'en' or 'zh'."""
    return _SAID[name][language == "zh"].format(**things)


def language_of(text: str, otherwise: str = "en") -> str:
    """'zh' for a text with more Chinese characters than Latin words, 'en' for fewer; `otherwise` without either."""
    han, latin = len(_HAN.findall(text)), len(_LATIN.findall(text))
    if han == latin:
        return otherwise
    return "zh" if han > latin else "en"
