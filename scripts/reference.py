"""What the site of the documents takes from the code when it is built: commands, rows of files, documents of the root.

A page whose head says ``render_macros: true`` calls these functions, as in ``{{ command("ingest") }}``; Zensical finds
them by ``define_env``. Each returns Markdown.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal

from unveil.cli import COMMANDS
from unveil.core import decisions, interrater, jsonl, lesion_noise, records
from unveil.core import options as core_options
from unveil.core.option_types import Takes, called, choices
from unveil.core.options import bare, sentences
from unveil.curate import corrections
from unveil.ingest import reading

ROOT = Path(__file__).parents[1]
#: How values are called in a file.
STORED = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "any value"}
#: The rows of files, by the names with which pages ask for them.
ROWS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        records.Record,
        records.Finding,
        records.ImagePlane,
        records.Question,
        records.Source,
        records.Dialogue,
        records.Pair,
        records.Prediction,
        lesion_noise.Noise,
        lesion_noise.LesionMap,
        reading.Rejected,
        decisions.Decision,
        decisions.Annotation,
        corrections.Change,
        interrater.ReaderAgreement,
    )
}


def define_env(env: Any) -> None:
    """Tells Zensical which functions pages may call."""
    for function in (command, rows, example, document):
        env.macro(function)


# ----------------------------------------------------------------------------------------------------------- commands


@dataclass(frozen=True)
class Option:
    """An option as the command line takes it; ``default`` is None where it is required."""

    name: str
    values: str
    default: str | None
    help: str
    group: str

    def __str__(self) -> str:
        return f"{self.name} {self.values}".strip()


def command(name: str) -> str:
    """What a command does, how it is called, and all its options in groups, the required ones first."""
    kind = COMMANDS[name].config()
    found = sorted(options(kind), key=lambda option: option.default is not None)
    call = " ".join(["unveil", name, *(str(option) for option in found if option.default is None), "[options]"])
    parts = [prose(str(inspect.getdoc(kind))), f"```text\n{call}\n```"]
    for group in dict.fromkeys(option.group for option in options(kind)):
        parts.append(f"## {group[:1].upper()}{group[1:]}")
        parts += [_entry(option) for option in found if option.group == group]
    return "\n\n".join(parts)


def _entry(option: Option) -> str:
    """An option in a list of definitions."""
    default = "required" if option.default is None else f"default: {option.default}"
    return f"`{option}`\n:   {prose(option.help)} *({default})*"


def options(kind: type) -> Iterator[Option]:
    """All options of a configuration, in the order of the help."""
    every = sorted(core_options.every(kind), key=lambda option: option.depth)
    groups = dict.fromkeys(["", *core_options.groups_of(kind), *(option.group for option in every)])
    for option in sorted(every, key=lambda option: list(groups).index(option.group)):
        name = f"{option.flag}, {option.off}" if option.off else option.flag
        default = None if option.required else _word(option.default)
        group = option.group.replace("_", " ") or "options"
        yield Option(name, "" if option.positional else _values(option.hint), default, option.sentence, group)


def _values(hint: Any) -> str:
    """What is written after an option: ``FILE``, ``{a,b}``, ``INT ...``; all choices, however many they are."""
    takes = Takes.of(hint)
    words = (f"{{{','.join(choices(kind))}}}" if choices(kind) else called(kind) for kind in takes.kinds)
    if takes.choices:
        return f"{{{','.join(takes.choices)}}}"
    return takes.called or " ".join(words) + (" ..." if takes.variadic else "")


def _default(field: dataclasses.Field[Any]) -> str | None:
    if field.default is MISSING and field.default_factory is MISSING:
        return None
    return _word(field.default if field.default_factory is MISSING else field.default_factory())


def _word(value: Any) -> str:
    """A default as a reader of the command line would write it."""
    if value is None or value == () or value == {}:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return " ".join(map(_word, value))
    if dataclasses.is_dataclass(value):
        return f"`{json.dumps(jsonl.to_json(value))}`"
    return f"`{value}`"


def prose(text: str) -> str:
    """Help as Markdown: one paragraph, in which nothing but `code` is markup."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()).replace("``", "`"))
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_\[\]<>#|])", r"\\\1", part) for part in parts)


# --------------------------------------------------------------------------------------------------- files, documents


def rows(name: str) -> str:
    """A table of the fields of a row: its name, what stands there, what holds where it is left out, its meaning."""
    kind = ROWS[name]
    told, hints = sentences(kind), typing.get_type_hints(kind, include_extras=True)
    lines = ["| field | value | if left out | |", "|---|---|---|---|"]
    for field in dataclasses.fields(kind):
        default = _default(field)
        missing = "needed" if default is None else default
        lines.append(f"| `{field.name}` | {stored(hints[field.name])} | {missing} | {prose(told[field.name])} |")
    return "\n".join([prose(str(inspect.getdoc(kind))), "", *lines])


def stored(hint: Any) -> str:
    """What a field of a type is in JSON."""
    hint = bare(hint)
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return f"[{getattr(hint, '__name__', '')}](#{str(getattr(hint, '__name__', '')).lower()})"
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(stored(one) for one in inside if one is not type(None))
    if origin is tuple and inside[-1] is Ellipsis:
        return f"list of {stored(inside[0])}"
    if origin is tuple:
        alike = len(set(inside)) == 1
        return f"list of {len(inside)}: " + (f"{stored(inside[0])} each" if alike else ", ".join(map(stored, inside)))
    if origin is dict:
        return "object"
    return STORED[hint]


def example(name: str) -> str:
    """A line of a file, as this program writes it, broken for reading."""
    return f"```json\n{json.dumps(jsonl.to_json(EXAMPLES[name]), indent=2, ensure_ascii=False)}\n```"


_NODULE = records.Finding("nodule", box=(52.0, 61.0, 88.0, 97.0), attributes={"body_part": "lung", "side": "left"})
_ABOUT: dict[str, Any] = {"record": "ward/p7-1", "image": "images/p7-1.png"}
_ASKED = "Is anything abnormal in this image?"
EXAMPLES: dict[str, Any] = {
    "Record": records.Record(
        id="ward/p7-1",
        image="images/p7-1.png",
        width=256,
        height=256,
        modality="X-ray",
        patient="p7",
        split="train",
        findings=(_NODULE,),
        completeness="exhaustive",
        questions=(records.Question("Is there a nodule?", "yes", "closed"),),
        source=records.Source("ward", access="open", file="images/p7-1.png"),
    ),
    "Dialogue": records.Dialogue(
        "ward/p7-1#detection", split="train", kind="detection", question=_ASKED, answer="Yes.", **_ABOUT
    ),
    "Pair": records.Pair(
        "ward/p7-1#1",
        split="train",
        kind="detection",
        question=_ASKED,
        chosen="Yes.",
        rejected="No.",
        weight=0.8,
        **_ABOUT,
    ),
    "Prediction": records.Prediction(
        *("ward/p7-1#detection", "ward/p7-1", "detection", "Yes.", "unit", (256, 256), "tuned"),
        tokens=((3, -0.1054), (4, -0.0013), (4, -0.0002)),
        options=(-0.1054, -2.3026),
    ),
    "Rejected": reading.Rejected("labels.csv", 12, "the box leads outside the image", misfit="outside"),
}


def document(name: str) -> str:
    """A document of the root as a page; its links lead to pages, and where none is, they are text."""

    def linked(found: re.Match[str]) -> str:
        text, target = found[1], found[2]
        if re.match(r"https?:|#", target):
            return found[0]
        page = ROOT_PAGES.get(target.partition("#")[0], target.removeprefix("docs/"))
        return f"[{text}]({page})" if page != target else text

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", linked, (ROOT / name).read_text(encoding="utf-8"))


#: Documents of the root that are pages.
ROOT_PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}
