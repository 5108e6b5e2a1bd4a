"""The help of a command: what it makes from what, what it needs, and its options in groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from unveil.core.layout import INDENT, paragraph
from unveil.core.option_types import Takes, choices, typed
from unveil.core.options import Option, every, groups_of, sentences


def page(kind: type, prog: str, default: Any = None, everything: bool = False, width: int = 80) -> str:
    """The help of the command ``prog`` with the options ``kind``, wrapped at ``width``.

    Options that are seldom needed are left out, and their number told, unless ``everything`` is asked for.
    """
    options = sorted(every(kind, default), key=lambda option: option.depth)
    shown = [option for option in options if everything or option.required or not option.seldom]
    parts = [paragraph(kind.__doc__ or "", width), _usage(prog, options, width)]
    for title, about, members in _sections(kind, shown):
        head = paragraph(f"{title}: {about}" if about else f"{title}:", width)
        parts.append("\n".join([head, *(_entry(option, width) for option in members)]))
    if hidden := [option for option in options if option not in shown]:
        groups = dict.fromkeys(o.group for o in hidden if o.group not in {option.group for option in shown})
        of = f", also of {', '.join(groups).replace('_', ' ')}" if groups else ""
        parts.append(paragraph(f"{len(hidden)} options more, which are seldom needed{of}: {prog} --help-all", width))
    return "\n\n".join(parts)


def _usage(prog: str, options: Sequence[Option], width: int) -> str:
    needed = [typed(option) for option in options if option.required]
    may = [f"[{option.flag}]" for option in options if option.positional and not option.required]
    return paragraph(" ".join(["usage:", prog, *needed, *may, "[options]"]), width, "", INDENT)


def _sections(kind: type, options: Sequence[Option]) -> Iterator[tuple[str, str, list[Option]]]:
    """Titles with what they are about and their options: what is required first, what stands in no group, groups."""
    told = sentences(kind)
    yield from _section("required", "", [option for option in options if option.required])
    rest = [option for option in options if not option.required]
    for title in dict.fromkeys(["", *groups_of(kind), *(option.group for option in options)]):
        members = [option for option in rest if option.group == title]
        yield from _section(title.replace("_", " ") or "options", told.get(title, "") if title else "", members)


def _section(title: str, about: str, members: list[Option]) -> Iterator[tuple[str, str, list[Option]]]:
    if members:
        yield title, about, members


def _entry(option: Option, width: int) -> str:
    """An option, and below it what it does; of a flag that is on, what turns it off too."""
    head = f"{option.flag}, {option.off}" if option.off and option.default else typed(option)
    head = paragraph(head, width, "  ", INDENT * 2)
    text = " ".join(filter(None, [option.sentence, _choices(option, head), _default(option)]))
    return f"{head}\n{paragraph(text, width, INDENT)}" if text else head


def _choices(option: Option, head: str) -> str:
    """The choices of an option, where they are too many to stand beside its name."""
    kinds = Takes.of(option.hint).kinds
    known = choices(kinds[0]) if kinds else ()
    return f"One of {', '.join(known)}." if known and "{" not in head else ""


def _default(option: Option) -> str:
    """The default in words; none where there is none, or the sentence says what holds then."""
    value = option.default
    if option.required or value is None or value is False or value == ():
        return ""
    if isinstance(value, tuple):
        value = " ".join(f"'{part}'" if " " in str(part) else str(part) for part in value)
    return f"(default: {'on' if value is True else value})"
