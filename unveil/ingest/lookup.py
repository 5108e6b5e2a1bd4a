"""Which file of a folder an annotation means, by a path that was written on another disk.

Only files that were listed are ever found, so no path leads out of the folder. In turn: the path itself, below the
annotation's folder and below the data folder; then the file whose path ends as the written one does, over the most
folders, in any case of letters and any normal form of Unicode; then the same without what an export has put before the
name. A folder of the written path that exists must hold the file: patient1/001.png is never patient2/001.png. Nor is
patient3/001.png, where these two hold other files of one name: there, a name alone tells no image. Nor does it tell one
in a folder of another split than the annotation's, or away from the images among which the annotation lies.
"""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from unveil.core.untrusted import quoted
from unveil.ingest.files import below
from unveil.ingest.published import split_in
from unveil.ingest.reading import AnnotationError

#: What Label Studio writes before the name of an uploaded file: the first eight digits of a UUID.
_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")

#: What a reason says where nothing here is called as an annotation says.
ABSENT = "no image"


@dataclass(frozen=True)
class Match:
    """A file for a written path: how many parts at the end of the two are equal, and how the written path begins."""

    path: Path
    equal: int
    before: tuple[str, ...] = ()


class Index:
    """The ``images`` below ``root`` by what they are called, where one of ``endings`` may be left out.

    ``files`` are all that lie there: one that is no image is found too where it is meant, and then said to be none.
    ``note`` is told of what was found by less than its path.
    """

    def __init__(
        self,
        root: Path,
        images: Sequence[Path],
        files: Iterable[Path],
        endings: Collection[str],
        note: Callable[[str, str], None] = lambda text, example: None,
    ) -> None:
        self.root, self._note = root, note
        self._noted: set[Path] = set()
        self._known: dict[tuple[Path, ...], list[str]] = {}
        self.paths = {self._relative(path): path for path in files}
        self.named: dict[str, list[Path]] = defaultdict(list)
        alike: dict[str, set[str]] = defaultdict(set)
        for path in images:
            folder, last = os.path.split(path)
            name = folded(last)
            self.named[name].append(path)
            stem, _, ending = name.rpartition(".")
            if stem and f".{ending}" in endings:
                self.named[stem].append(path)
            alike[name].add(folder)
        self.numbering = {Path(folder) for folders in alike.values() if len(folders) > 1 for folder in folders}
        parents = set(map(Path, set().union(*alike.values())))
        self.folders = {part for folder in parents for part in self._parts(folder)}
        self.holding = {folder for parent in parents for folder in (parent, *parent.parents)}

    def find(self, name: str, *near: Path, told: bool = True) -> Path:
        """The file that an annotation in the folders ``near``, its own the last, calls ``name``; raises
        ``AnnotationError``. What is odd of it is noted, if it is to be ``told``."""
        match = self._match(name, near)
        return self._told(match, near) if told else match.path

    def find_all(self, names: Iterable[str], *near: Path) -> dict[str, Path | AnnotationError]:
        """The same for all names of an annotation file: of paths that contradict one another, at most one is right.

        If 001.png exists in patient2 only, and both patients' are named, patient1's is missing. What is left of two
        paths before the part that fits must be the same, or one of them must fit better than the other.
        """
        found: dict[str, Path | AnnotationError] = {}
        claims: dict[Path, list[tuple[str, Match]]] = defaultdict(list)
        for name in dict.fromkeys(names):
            try:
                match = self._match(name, near)
                found[name] = self._told(match, near)
                claims[match.path].append((name, match))
            except AnnotationError as error:
                found[name] = error
        for path, claimed in claims.items():
            best = max(match.equal for _, match in claimed)
            loose = [(name, match) for name, match in claimed if match.before]
            rivals = {match.before for _, match in loose if match.equal == best}
            for name, match in loose if len(claimed) > 1 else ():
                if match.equal < best or len(rivals) > 1:
                    other = next(n for n, m in claimed if m.before != match.before or m.equal > match.equal)
                    reason = f"{ABSENT} {quoted(name)}: {self._relative(path)} is also what {quoted(other)} means"
                    found[name] = AnnotationError(reason)
        return found

    def candidates(self, name: str) -> list[Path]:
        """The images that an annotation may be about which calls one ``name``, where that tells none or several: all
        that are called as the last part of it, with any ending or none."""
        lasts = {folded(spelling).rsplit("/", 1)[-1] for spelling in _spellings(name)}
        lasts |= {_PREFIX.sub("", last, count=1) for last in lasts if _PREFIX.match(last)}
        keys = dict.fromkeys(key for last in sorted(lasts) for key in (last, last.rsplit(".", 1)[0]) if key)
        return list(dict.fromkeys(path for key in keys for path in self.named.get(key, ())))

    def _match(self, name: str, near: tuple[Path, ...]) -> Match:
        spellings = list(_spellings(name))
        if not spellings[0]:
            raise AnnotationError("the image's name is empty")
        inside = f"{self.root.as_posix()}/"
        for spelling in spellings:
            for folder in self._within(near):
                written = posixpath.join(folder, spelling.removeprefix(inside))
                if path := self.paths.get(posixpath.normpath(written)):
                    return Match(path, len(spelling.split("/")))
        parts = [[p for p in folded(s).split("/") if not re.fullmatch(r"|\.|\.\.|[a-z]:", p)] for s in spellings]
        tried = [("", p) for p in parts if p]
        tried += [(found[0], [*p[:-1], p[-1][found.end() :]]) for _, p in tried if (found := _PREFIX.match(p[-1]))]
        elsewhere = ""
        for prefix, ending in tried:
            fits, strange = self._ending(ending, near)
            if len(fits) == 1:
                return replace(fits[0], equal=0, before=(*fits[0].before, prefix)) if prefix else fits[0]
            if fits:
                several = ", ".join(self._relative(match.path) for match in fits[:3])
                several = f"several images are called {quoted(ending[-1])} ({several}{' …' * (len(fits) > 3)})"
                raise AnnotationError(f"{ABSENT} {quoted(name)}; {several}" if fits[0].before else several)
            if strange:
                elsewhere = f": {self._relative(strange)} lies in another folder"
        raise AnnotationError(f"{ABSENT} {quoted(name)}{elsewhere}")

    def _within(self, near: tuple[Path, ...]) -> list[str]:
        """Where names are looked for first: the folders ``near``, and the root, as they are called below it."""
        if near not in self._known:  # asked for each name of a file, and slow to tell
            folders = (*(folder for folder in near if folder.is_relative_to(self.root)), self.root)
            self._known[near] = [self._relative(folder) for folder in folders]
        return self._known[near]

    def _ending(self, parts: list[str], near: Sequence[Path]) -> tuple[list[Match], Path | None]:
        """The files that end as ``parts`` do over the most folders, the nearest of them; and one in another folder."""
        rated: list[tuple[tuple[int, int, bool], Match]] = []
        strange = None
        for path in self.named.get(parts[-1], ()):
            own = self._parts(path)
            equal = 1
            while equal < min(len(own), len(parts)) and own[-1 - equal] == parts[-1 - equal]:
                equal += 1
            before = parts[: len(parts) - equal]
            by_name = equal == 1 and path.parent in self.numbering and before and not set(before) & set(own)
            if (
                by_name
                or (equal == 1 and self._foreign(path, near))
                or (equal < len(own) and any(p in self.folders and p not in own for p in before))
            ):
                strange = path
                continue
            shared = max((len(_common(self._parts(folder), own)) for folder in near), default=0)
            rated.append(((equal, shared, equal == len(own)), Match(path, equal, tuple(before))))
        most = max((rating for rating, _ in rated), default=None)
        return [match for rating, match in rated if rating == most], strange

    def _foreign(self, image: Path, near: Sequence[Path]) -> bool:
        """Whether an image is hardly what an annotation calls by its name alone that lies in the last folder of
        ``near``: it is of another split, or the annotation lies among other images."""
        if not near or not near[-1].is_relative_to(self.root):
            return False
        splits = {split_in(self._relative(folder)) for folder in (near[-1], image.parent)} - {None}
        own = next((folder for folder in (near[-1], *near[-1].parents) if folder in self.holding), self.root)
        return len(splits) > 1 or not (image.is_relative_to(own) or image.parent in near)

    def _told(self, match: Match, near: Sequence[Path]) -> Path:
        """The file, of which is noted, once, if it was found by less than its name, or by that in another folder."""
        path = match.path
        text = ""
        if not match.equal:
            text = "images found by their names without eight digits before them, as Label Studio writes"
        elif match.equal == 1 and path.parent not in (*near, self.root) and self._far(path, near):
            text = "images found by their names alone, in another folder than the annotations'"
        if text and path not in self._noted:
            self._noted.add(path)
            self._note(text, self._relative(path))
        return path

    def _far(self, path: Path, near: Sequence[Path]) -> bool:
        """Whether a file lies elsewhere than in the last folder of ``near``, itself one below the root."""
        return bool(near) and near[-1].is_relative_to(self.root) and not path.is_relative_to(near[-1])

    def _parts(self, path: Path) -> list[str]:
        name = below(path, self.root)
        return folded(name).split("/") if name is not None else []

    def _relative(self, path: Path) -> str:
        name = below(path, self.root)
        return name if name is not None else path.relative_to(self.root).as_posix()


def folded(text: str) -> str:
    """Text that is the same for all that a person takes for the same name: normal form C, small letters."""
    return unicodedata.normalize("NFC", text).casefold()


def _spellings(name: str) -> Iterator[str]:
    """What a written path may mean: itself, then what a URL or the address of an upload leads to."""
    name = name.strip().replace("\\", "/")  # exporters on Windows
    yield name
    if "://" in name or "?d=" in name:
        try:
            address = urlsplit(name)
            yield from (unquote(text) for text in (address.path, *parse_qs(address.query).get("d", ())))
        except ValueError:  # no address after all: brackets in it, as names may have
            return
    elif "%" in name:
        yield unquote(name)


def _common(one: Sequence[str], other: Sequence[str]) -> Sequence[str]:
    """What two paths have in common at their beginning."""
    n = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:n]
