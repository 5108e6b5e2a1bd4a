"""What a text says is there and what it says is not: names, plain abnormality, and who denies which.

A reader of English findings by trigger words, after NegEx (Chapman et al. 2001, J Biomed Inform 34:301) and ConText
(Harkema et al. 2009, J Biomed Inform 42:839): a denial reaches forward ("no nodule or cyst") or back ("the nodule is
not seen"), to the end of its clause, and some words only look like one ("no change in the nodule", "cannot be
excluded"). What is uncertain counts as said: "possible nodule" names a nodule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from unveil.core.names import Names
from unveil.core.negation import (
    ARTICLE,
    ASIDE,
    ASKS,
    BENIGN,
    DENIALS,
    DENIED_NEXT,
    GOVERNS,
    ITS_VERB,
    NAME,
    NAMES_ALONE,
    NEW_CLAUSE,
    NO_SUBJECT,
    OR_LATER,
    PASSED,
    REASONS,
    REST,
    SETTING,
    SUBJECTS,
    SWEEPING,
    TOKEN,
    WITH_ARTICLE,
    WORD,
    YES_NEXT,
)


@dataclass(frozen=True)
class Claim:
    """That something is there, or is not: a known name, or None for an abnormality in general.

    ``start`` and ``end`` are those of the words that say it.
    ``sweeping`` is said of all of the image: "No abnormality." contradicts a finding, "The heart is normal." does not.
    """

    name: str | None
    affirmed: bool
    start: int
    end: int
    sweeping: bool = False


@dataclass(frozen=True)
class Clause:
    """A part of a sentence, and what it claims.

    ``denies``: a word of denial or doubt stands in it. ``unread``: it says something in words that are not known here.
    """

    start: int
    end: int
    claims: tuple[Claim, ...]
    denies: bool
    unread: bool


@dataclass(frozen=True)
class Sentence:
    """A part of a text up to a stop, a semicolon or a line's end (``sign``), and its clauses."""

    start: int
    end: int
    sign: str
    clauses: tuple[Clause, ...]

    @property
    def claims(self) -> list[Claim]:
        return [claim for clause in self.clauses for claim in clause.claims]

    @property
    def denies(self) -> bool:
        return any(clause.denies for clause in self.clauses)

    @property
    def silent(self) -> bool:
        """Whether it claims nothing though it denies or doubts, as in "It is not easy to say."."""
        return self.denies and not self.claims


def claims(sentences: Iterable[Sentence]) -> list[Claim]:
    """All claims, in order."""
    return [claim for sentence in sentences for claim in sentence.claims]


def verdict(found: Sequence[Claim]) -> bool | None:
    """Whether anything abnormal is claimed to be there; None where nothing is claimed, or both."""
    if any(claim.affirmed for claim in found):
        return None if any(claim.sweeping and not claim.affirmed for claim in found) else True
    return False if found else None


def conclusion(sentences: Sequence[Sentence]) -> bool | None:
    """The verdict of a text: normal only where that is said of all of the image, or where every clause was read."""
    found = claims(sentences)
    said = verdict(found)
    whole = any(claim.sweeping for claim in found) or not unread(sentences)
    return said if said or whole else None


def unread(sentences: Iterable[Sentence]) -> list[Clause]:
    """The clauses that say something which is not known here ("There is a granuloma. The heart is normal.")."""
    return [clause for sentence in sentences for clause in sentence.clauses if clause.unread]


def content(text: str, names: Names) -> set[str]:
    """The words of a question or an answer that narrow what is said in it, known names apart."""
    for start, end, _ in names.find(text):
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return {word.lower() for word in WORD.findall(text)} - SWEEPING


def read(text: str, names: Names) -> list[Sentence]:
    """All sentences of a text."""
    return list(_read_again(text, names) if len(text) <= SHORT else _read(text, names))


#: Characters of a text that is likely to come again: "Yes.", "No nodule is seen.", or the question of several models.
SHORT = 200


@lru_cache(maxsize=1 << 13)
def _read_again(text: str, names: Names) -> tuple[Sentence, ...]:
    return _read(text, names)


def _read(text: str, names: Names) -> tuple[Sentence, ...]:
    text = text.replace(NAME, " ").replace(REST, " ")
    mentions = {start: (end, name) for start, end, name in names.find(text)}
    masked = list(text)
    for start, (end, _) in mentions.items():
        masked[start:end] = NAME + REST * (end - start - 1)
    plain = "".join(masked)
    if NAMES_ALONE.fullmatch(plain):
        return tuple(_list_of_names(plain, mentions))
    walk = _Walk(plain, {start: name for start, (_, name) in mentions.items()})
    walk.walk(0, len(text))
    walk.end_sentence(len(text), "")
    return tuple(walk.sentences)


def _list_of_names(text: str, mentions: Mapping[int, tuple[int, str]]) -> Iterator[Sentence]:
    """The sentences of a text that is ``NAMES_ALONE``: those that ``_Walk`` finds, more slowly, as nothing denies."""
    start = 0
    for at, (end, name) in mentions.items():
        close = len(text) - len(text[end:].lstrip(" "))
        clause = Clause(start, close, (Claim(name, True, at, end),), denies=False, unread=False)
        yield Sentence(start, close, text[close : close + 1], (clause,))
        start = close + 1
    if text.rstrip().endswith("."):
        yield Sentence(start, len(text), "", (Clause(start, len(text), (), denies=False, unread=False),))


def _deny(found: Iterable[Claim]) -> list[Claim]:
    return [replace(claim, affirmed=False) for claim in found]


def _passed_by(clauses: Iterable[Clause]) -> list[Clause]:
    return [replace(clause, claims=tuple(_deny(clause.claims)), denies=True) for clause in clauses]


class _Walk:
    """From trigger to trigger through a text whose known names are masked; ``named`` says which begins where."""

    def __init__(self, text: str, named: dict[int, str]):
        self.text, self.named, self.end_of_text = text, named, len(text.rstrip())
        self.sentences: list[Sentence] = []
        self._begin_sentence(0)

    def _begin_sentence(self, at: int) -> None:
        self.start = at
        self.said: list[Clause] = []
        self.last_clause = self.unexcepted = 0  # from where on in ``said``
        self.last_name: str | None = None
        self.unnamed: set[bool] = set()  # whether abnormality in general was affirmed, denied
        self._begin_clause(at)

    def _begin_clause(self, at: int) -> None:
        self.clause_start, self.denies = at, False
        self.claims: list[Claim] = []
        self.undenied = 0  # from where on in ``claims``
        self._begin_scope("affirmed", at)

    def _begin_scope(self, mode: str, at: int, waits: bool = False) -> None:
        """From here on names are affirmed, denied or ignored; a denial that ``waits`` is one of whatever follows."""
        self.mode, self.scope_start, self.waits, self.verb, self.listed = mode, at, waits, False, False

    def walk(self, start: int, end: int) -> None:
        for found in TOKEN.finditer(self.text, start, end):
            self.step(found.lastgroup or "", found)

    def step(self, kind: str, found: re.Match[str]) -> None:
        self.denies |= kind in DENIALS
        match kind:
            case "undo":
                self._begin_scope("affirmed", found.end())
            case "other":
                self._begin_scope("ignored", found.end())
            case "deny" | "not" | "nothing":
                if kind == "nothing":
                    self._claim(None, False, found)
                self._begin_scope("denied", found.end(), waits=kind == "deny")
            case "bare":
                self._claim(None, False, found)
            case "empty":
                self._claim(None, False, found)
                self.clause_start = found.end()  # its keys narrow nothing
            case "back":
                self._deny_back(found)
            case "but":
                self._end_clause(found.start(), excepted=True)
                self._begin_clause(found.end())
            case "again":  # "no nodule on the left, but one on the right"
                self._end_clause(found.start(), excepted=True)
                self._claim(self.last_name, True, found)
            case "colon" if self.mode != "affirmed" and not self.waits:
                self._end_clause(found.end())
            case "stop":
                self._end_clause(found.start())
            case "comma":
                self._comma(found)
            case "end":
                self.end_sentence(found.start(), found[0])
            case "name" | "abnormal" | "normal":
                if self.mode != "ignored":
                    denied = self.mode == "denied" and (kind != "normal" or self._governed(found))
                    affirmed = denied is (kind == "normal")
                    self._claim(self.named.get(found.start()) if kind == "name" else None, affirmed, found)
            case "thing" if self.mode == "denied":
                self._claim(None, False, found)
            case "yes":
                self._claim(None, True, found)
            case "bracket":
                self._bracket(found)
            case "verb":
                self.verb |= self.mode == "affirmed" or bool(self.claims)

    def _governed(self, found: re.Match[str]) -> bool:
        """Whether the denial is one of this "normal", not of what is in a normal place ("no cyst in normal lungs")."""
        near = found.start() - self.scope_start <= 80
        return near and GOVERNS.fullmatch(self.text, self.scope_start, found.start()) is not None

    def _claim(self, name: str | None, affirmed: bool, found: re.Match[str]) -> None:
        self.claims.append(Claim(name, affirmed, *found.span()))
        self.waits = False
        if name is None:
            self.unnamed.add(affirmed)
        else:
            self.last_name = name

    def _deny_back(self, found: re.Match[str]) -> None:
        """Denies what the clause has affirmed; where that is nothing, what goes without saying."""
        if any(claim.affirmed for claim in self.claims[self.undenied :]):
            self.claims[self.undenied :] = _deny(self.claims[self.undenied :])
            self.unnamed = {False} if self.unnamed else set()
        elif not self._passed(found):
            self._claim(None, False, found)
        self.undenied = len(self.claims)
        self._begin_scope("affirmed", found.end())

    def _passed(self, found: re.Match[str]) -> bool:
        """Whether the clause says of the one before it that it is no more ("There was a nodule. It has resolved.")."""
        if self.claims or found.start() - self.clause_start > 60 or not PASSED.search(found[0]):
            return False
        words = {word.lower() for word in WORD.findall(self.text, self.clause_start, found.start())}
        if words - NO_SUBJECT or not (self.said or self.sentences):
            return False
        if self.said:
            self.said[self.last_clause :] = _passed_by(self.said[self.last_clause :])
        else:
            self.sentences[-1] = replace(self.sentences[-1], clauses=tuple(_passed_by(self.sentences[-1].clauses)))
        return True

    def _bracket(self, found: re.Match[str]) -> None:
        """A bracket gives reasons; it is read where nothing was named before it ("abnormal (nodule)")."""
        if self.last_name is None and self.unnamed != {False}:
            self.walk(found.start() + 1, found.end() - 1)

    def _comma(self, found: re.Match[str]) -> None:
        """Ends the clause, unless a list goes on: "no cyst, nodule or mass", "not a cyst, a mass or an ulcer"."""
        comma, after = found[0] == ",", found.end()
        begins = NEW_CLAUSE.match(self.text, after) is not None
        if begins and self.mode == "denied" and self.claims and WITH_ARTICLE.match(self.text, after):
            first = self.claims[0].start
            articled = ARTICLE.search(self.text, max(self.scope_start, first - 40), first)
            listed = found[0].endswith("and") or OR_LATER.match(self.text, after)
            begins = not (articled and listed) or bool(ITS_VERB.match(self.text, after))
        if self.mode == "affirmed":
            subjects = not self.claims and SUBJECTS.match(self.text, self.clause_start)
            ends = self.verb or (comma and begins and not subjects) or not (self.claims or subjects)
        else:
            ends = begins or self.verb or (comma and not self.listed and bool(ITS_VERB.match(self.text, after)))
        if ends:
            self._end_clause(after)
        self.listed = not ends

    def _end_clause(self, at: int, excepted: bool = False) -> None:
        """``excepted``: what was said in general has an exception, which follows."""
        if self.waits:  # a denial of something that has no known name
            self.claims.append(Claim(None, False, self.clause_start, at))
        words = [word.lower() for word in WORD.findall(self.text, self.clause_start, at)]
        self.last_clause = len(self.said) if self.claims else self.last_clause
        whole = SWEEPING.issuperset(words)
        said = tuple(replace(claim, sweeping=True) if whole and claim.name is None else claim for claim in self.claims)
        unread = not (said or self.denies or whole) and self._says(words)
        self.said.append(Clause(self.clause_start, at, said, self.denies, unread))
        if excepted:
            for i in range(self.unexcepted, len(self.said)):
                narrow = tuple(replace(claim, sweeping=False) for claim in self.said[i].claims)
                self.said[i] = replace(self.said[i], claims=narrow)
            self.unexcepted = len(self.said)
        self._begin_clause(at)

    def _says(self, words: Sequence[str]) -> bool:
        """Whether a clause without a claim says more than where, when, why or of what kind of image."""
        aside = words[0] in REASONS or (words[0] in ASIDE and not self.verb)
        return not (aside or BENIGN.intersection(words) or (SWEEPING | SETTING).issuperset(words))

    def end_sentence(self, at: int, sign: str) -> None:
        """A question claims nothing where its answer follows, but for a yes."""
        self._end_clause(at)
        asks = ASKS.match(self.text, self.start) and not YES_NEXT.match(self.text, at + 1)
        asked = sign == "?" and (asks or DENIED_NEXT.match(self.text, at + 1))
        clauses = () if asked and at + 1 < self.end_of_text else tuple(self.said)
        self.sentences.append(Sentence(self.start, at, sign, clauses))
        self._begin_sentence(at + len(sign))
