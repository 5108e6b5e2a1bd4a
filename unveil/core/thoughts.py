"""What models think before they answer, written into their reply: where it stands, and the reply without it."""

from __future__ import annotations

import re

from unveil.core.aligned import Aligned, joined

#: How models mark what they think before they answer: Qwen and DeepSeek, and by other words; Magistral; Kimi-VL;
#: MedGemma; gpt-oss; Command; and by tokens.
_MARKS = (
    (r"<(?:\w+[:_])?(?:think|thinking|thoughts?|reasoning)>", r"</(?:\w+[:_])?(?:think|thinking|thoughts?|reasoning)>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<unused94>", r"<unused95>"),
    (r"<\|channel\|>analysis<\|message\|>", r"<\|channel\|>final<\|message\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
)
_MARK = re.compile("|".join(f"(?P<start{i}>{start})|{end}" for i, (start, end) in enumerate(_MARKS)) + "|[{}]", re.I)


def without(text: Aligned) -> Aligned:
    """A reply without its thoughts; empty where it ends in them. Within a JSON object nothing is one.

    Chat templates may have opened them already, so that only their end is in the reply.
    """
    said, at, thinks, depth, quoted = list[Aligned](), 0, False, 0, False
    for mark in _MARK.finditer(text.text):
        if mark[0] in "{}":
            depth = 0 if thinks else max(0, depth + (1 if mark[0] == "{" else -1))
        elif mark.lastgroup is None and quoted:
            quoted = False
        elif mark.lastgroup is None:  # an end: of what was thought from the first mark on, or from the beginning
            said, at, thinks, depth = said if thinks else [], mark.end(), False, 0
        elif depth:
            quoted = True  # words of an object
        elif not thinks:
            said, thinks = [*said, text.part(at, mark.start())], True
    return text.part(0, 0) if thinks else joined("", [*said, text.part(at, len(text.text))])
