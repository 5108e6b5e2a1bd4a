"""The command ``unveil datasets``: what is read as it is distributed, and whether a folder holds all of a set."""

from __future__ import annotations

import difflib
import itertools
import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tyro.conf import Positional

from unveil.core.path_types import InputFolder
from unveil.core.untrusted import listed, quoted
from unveil.ingest.catalogue import DataSet, Download, Format
from unveil.ingest.folder import Folder
from unveil.ingest.reading import IngestError, Options

#: Letters of a column, at the least: one long word fits.
NARROWEST = 14


@dataclass(frozen=True)
class Config:
    """List the data sets and forms that are read, or tell one: where it is downloaded from, and what of it is here."""

    name: Positional[str] = ""
    """Data set or form, as --format calls it; none lists all."""
    check: InputFolder | None = None
    """Folder of the data set NAME: tells which parts of it are there, and what is missing."""


def main(config: Config) -> bool:
    """Tells, on the standard output; whether nothing that is needed is missing."""
    from unveil.ingest.formats import FORMATS

    if not config.name and config.check:
        raise IngestError("--check needs the name of a data set before it: unveil datasets NAME --check DIR")
    forms = list(FORMATS.values())
    if not config.name:
        for line in overview(forms, shutil.get_terminal_size((100, 24)).columns):
            print(line)
        return True
    form = chosen(forms, config.name)
    for line in told(form):
        print(line)
    if not config.check:
        return True
    about = form.about
    if about is None:
        raise IngestError(f"{form.name} is a form of annotation, not one data set: there is no list of its parts")
    lines, whole = checked(Folder.of(config.check, Options()), form, about)
    for line in ["", *lines]:
        print(line)
    return whole


def chosen(forms: Sequence[Format], name: str) -> Format:
    """The row of this name; raises ``IngestError`` with those that are called alike."""
    known = {form.name: form for form in forms}
    if name.lower() in known:
        return known[name.lower()]
    near = difflib.get_close_matches(name.lower(), known, 3) or [key for key in known if name.lower() in key]
    meant = f": {listed(near)}?" if near else "; `unveil datasets` lists all"
    raise IngestError(f"no data set or form is called {quoted(name)}{meant}")


def overview(forms: Sequence[Format], width: int) -> Iterator[str]:
    """All rows, data sets first, in columns, in lines of a width."""
    sets = [(form.name, form.about) for form in forms if form.about]
    rows = [(name, about.access, about.licence or "-", about.modality, ", ".join(about.gives)) for name, about in sets]
    yield f"{len(rows)} data sets, read as they are distributed"
    yield from _columns([("name", "access", "licence", "images", "what records hold"), *rows], width, 2)
    others = [(form.name, form.help or form.looked_for) for form in forms if not form.about]
    yield f"\n{len(others)} forms of annotation, in which others come"
    yield from _columns([("name", "what is read"), *others], width, 1)
    yield (
        "\nunveil datasets NAME              what to download, from where, how it is read"
        "\nunveil datasets NAME --check DIR  what of it is missing in a folder"
    )


def _columns(rows: Sequence[Sequence[str]], width: int, wrapped: int) -> Iterator[str]:
    """Rows with a hanging indent; the last ``wrapped`` columns share what the others leave of the width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = width - 2 * len(widths) - sum(widths[:-wrapped])
    for n in range(wrapped, 0, -1):
        widths[-n] = max(NARROWEST, min(widths[-n], left // n))
        left -= widths[-n]
    for row in rows:
        cells = [textwrap.wrap(cell, at) for cell, at in zip(row, widths, strict=True)]
        for line in itertools.zip_longest(*cells, fillvalue=""):
            yield ("  " + "  ".join(map(str.ljust, line, widths))).rstrip()


#: What the three kinds of access mean for whoever wants a set.
ACCESS = {
    "open": "open: anybody may download it",
    "dua": "by an agreement (DUA) that you accept before you download it",
    "credentialed": "credentialed: by an account that is approved, and an agreement",
}


def told(form: Format) -> Iterator[str]:
    """One row in full."""
    yield f"{form.name}: {form.about.title if form.about else form.help or form.looked_for}"
    if about := form.about:
        yield f"  images     {about.modality}"
        yield f"  holds      {', '.join(about.gives)}"
        yield f"  annotation {COMPLETENESS[about.completeness]}"
        yield f"  access     {ACCESS[about.access]}"
        yield f"  licence    {about.licence or 'not found at its source: ask there before you share anything'}"
        yield f"  from       {about.source}"
        yield f"  cite       {about.citation}"
        yield "  download"
        yield from (
            f"    {part.pattern}  ({part.what}{'' if part.needed else '; may be left out'})" for part in about.parts
        )
        yield from (f"  note       {note}" for note in about.notes)
    yield f"  told by    {form.looked_for}"
    yield f"  command    unveil run --data DIR --format {form.name}   (auto finds it by its files)"


COMPLETENESS = {
    "exhaustive": "exhaustive: what is not marked is not there",
    "partial": "partial: what is not marked may be there all the same",
    "unknown": "unknown whether it is exhaustive",
}


def checked(folder: Folder, form: Format, about: DataSet) -> tuple[list[str], bool]:
    """What of a set lies in a folder, a line for each part, and whether all that is needed does."""
    names = [folder.relative(path) for path in folder.listing.files]
    lines, whole = [f"{folder.root}: {len(names)} files"], True
    for part in about.parts:
        found = [name for name in names if matcher(part).fullmatch(name)]
        if found:
            more = f"{len(found):,} files, such as " if len(found) > 1 else ""
            whole_part = f"; the whole: {part.what}" if re.search(r"\d", part.what) else ""
            lines.append(f"  there    {part.pattern}  ({more}{found[0]}{whole_part})")
        else:
            whole = whole and not part.needed
            lines.append(
                f"  {'MISSING' if part.needed else 'not there'}  {part.pattern}  ({part.what}){_near(part, names)}"
            )
    told_by = form.evidence(folder)
    lines.append(
        f"  auto reads it as {form.name}: {told_by}" if told_by else f"  not told: {form.looked_for} was not found"
    )
    return lines, whole and bool(told_by)


def _near(part: Download, names: Sequence[str]) -> str:
    """A file that may be meant by a name which is not there."""
    wanted = part.pattern.rsplit("/", 1)[-1]
    ending = PurePosixPath(wanted).suffix
    lasts = {name.rsplit("/", 1)[-1]: name for name in names if name.endswith(ending)}
    near = [] if "*" in wanted else difflib.get_close_matches(wanted, lasts, 1)
    return f"; is it {lasts[near[0]]}?" if near else ""


def matcher(part: Download) -> re.Pattern[str]:
    """The pattern of a part, which paths below the folder of the set fit."""
    words = {"**/": "(?:.*/)?", "*": "[^/]*", "{": "(?:", "}": ")", ",": "|"}
    pieces = re.split(r"(\*\*/|\*|[{},])", part.pattern)
    return re.compile("".join(words.get(piece, re.escape(piece)) for piece in pieces), re.IGNORECASE)
