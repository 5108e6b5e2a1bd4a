"""What a text says is there and what it says is not: names, plain abnormality, and who denies which.

A reader of English findings by trigger words, after NegEx (Chapman et al. 2001, J Biomed Inform 34:301) and ConText
(Harkema et al. 2009, J Biomed Inform 42:839): a denial reaches forward ("no nodule or cyst") or back ("the nodule is
not seen"), to the end of its clause, and some words only look like one ("no change in the nodule", "cannot be
excluded"). What is uncertain counts as said: "possible nodule" names a nodule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from unveil.names import Names

# ------------------------------------------------------------------------------------------------------------ triggers

_NAME, _REST = "\ue000", "\ue001"  # a known name in a text that is searched for triggers: its first letter, the others


def _any(*phrases: str) -> str:
    """Any of these as words, with any space between them."""
    return rf"(?<![\w-])(?:{'|'.join(phrases)})(?![\w])".replace(" ", r"\s+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOT = r"(?:not|never|cannot|(?:is|are|was|were|do|does|did|has|have|had|ca|could|wo|would|should)n['\u2019]?t)"
_BE = r"(?:(?:to|be|been|being|yet|(?!only)\w{2,20}ly) ){0,3}"
_SEEN = (
    r"(?:seen|visible|visuali[sz]ed|identified|identifiable|detected|detectable|present|evident|found|appreciated"
    r"|demonstrated|observed|noted|recogni[sz]ed|recogni[sz]able|shown|there|apparent|discernible|depicted|located"
    r"|locali[sz]ed|likely|suspected|expected|perceptible|exist(?:s|ing|ent)?)"
)
_GONE = (
    r"(?:absent|ruled out|excluded|unlikely|improbable|resolved|disappeared|vanished|gone|cleared|missing|nonexistent"
    r"|non-existent)"
)
_OBJECT = rf"(?! (?:an?|any(?! more| longer)|to|the|that) |\s*{_NAME})"  # what follows is not what these words deny
_LITTLE = r"(?:(?:significant|interval|definite|appreciable|obvious|relevant|substantial|major|apparent|notable) ){0,3}"
_MORE = r"(?:larger|bigger|smaller|wider|thicker|worse|better|different|greater|more|less|fewer)"
STANDS_ALONE = r"(?=\s*(?:[.,;:!?)\]\n]|\Z|[\u2013\u2014]|-\s))"

#: What stands in a clause, by what it does there; where several begin in one place the first one counts.
_TRIGGERS: dict[str, str] = {
    "skip": _any(r"(?:e\.g|i\.e|vs|approx|incl|resp|fig)\.", r"than normal", r"no(?=\.\s*\d)"),  # "no. 3" is a number
    # looks like a denial and is none
    "undo": _any(
        rf"{_NOT} {_BE}(?:exclude|excluded|rule out|ruled out)",
        r"(?:unable|impossible|difficult|hard|not possible) to (?:exclude|rule out)",
        r"(?:to )?rule out",
        rf"{_NOT} {_BE}(?:without|free (?:of|from)|negative for|devoid of|lacking|impossible|{_GONE})",
        r"(?:partially|partly|incompletely|nearly|almost) (?:resolved|cleared|disappeared)",
        rf"{_NOT} (?:(?:true|correct|the case) that there (?:is|are) )?no",
        rf"{_NOT} (?:previously|formerly)",
        rf"(?:(?:is|are|was|were) )?{_NOT} {_BE}{_SEEN} (?:before|previously|earlier"
        r"|(?:on|in|at) (?:(?:the|a|any) )?(?:previous|prior|earlier|last))",
        rf"{_NOT} (?:say|claim|state|conclude) (?:that )?there (?:is|are) no",
        rf"{_NOT} {_BE}(?:only|just|merely|simply|solely|necessarily|uncommon|unusual|know|known|tell|say|determine"
        r"|judge|decide|assess|answer|comment|certain|sure|easy|possible|clear (?:if|whether|what|where|how)|changed?"
        rf"|increased?|decreased?|grow|grown|enlarged?|progress(?:ed)?|{_MORE})",
        rf"no {_LITTLE}(?:change|increase|decrease|growth|progression|difference)s?",
        rf"no {_MORE}(?: than)?",
        r"no (?:doubt|question|idea|comment|answer|way)",
        rf"without (?:a |any )?{_LITTLE}(?:doubt|question|change|growth|progression)",
        r"(?:nothing|none) (?:but|other than|else (?:but|than))",
    ),
    "other": _any(r"(?:no|without|nothing) (?:other|further|additional|else|more|second)"),
    # reaches back
    "back": _any(
        rf"(?:(?:is|are|was|were) )?(?:{_NOT}|no longer|nowhere) {_BE}(?:(?:appear|seem) (?:to be )?)?{_SEEN}{_OBJECT}",
        rf"{_GONE}{_OBJECT}",
        r"(?:is|are|was|were) negative(?! for)",
        rf"{_NOT} (?:in|on|part of) (?:the|this|that) (?:image|picture|scan|slice|frame|photograph|radiograph)",
    )
    + rf"|(?<=[{_NAME}{_REST}])[-\s]free\b|(?:[:=(\u2013\u2014\u2192]|(?<=\s)-+>?)\s*"
    rf"(?:(?:no|none|absent|negative|nil|false|not {_SEEN}){STANDS_ALONE}|0(?![\d.,]\d){STANDS_ALONE})",
    # reaches forward
    "bare": r"\A\s*+(?:```\w*+\s*+)?(?:\[\s*+\]|\{\s*+\})\s*+(?:```\s*+)?\Z|"  # JSON that holds nothing
    r"(?<![\w-])(?:no|not|none|nil|nothing|negative|nowhere|n/a|not applicable|(?:is|are|was|were)n['\u2019]?t)"
    rf"{STANDS_ALONE}|" + _any(r"none(?! of)", rf"{_NOT} think so"),
    "nothing": _any("nothing"),
    "deny": _any(
        r"neither|nor|none of|lacks?(?: of)?|lacking|absence of|without|w/o|den(?:y|ies|ied)",
        r"(?:free|clear|devoid) (?:of|from)",
        r"negative for|rul(?:es|ed|ing) out|exclud(?:es|ed|ing)|can (?:\w{2,20}ly )?(?:exclude|rule out)",
        r"(?:resolution|disappearance) of|rather than|instead of|inconsistent with|incompatible with",
        r"(?:argu|speak)(?:es|s|ing) against",
        rf"as opposed to|unlike|low (?:suspicion|probability|likelihood) (?:of|for)|no longer|no|{_GONE}",
    ),
    "not": _any(
        _NOT,
        r"(?:fail(?:s|ed)|unable) to"
        r"(?= (?:see|find|identify|detect|locate|visuali[sz]e|recogni[sz]e|show|demonstrate))",
        r"far from(?= (?:ab)?normal)",
    ),
    # a clause or a sentence ends
    "again": _any(r"but (?:there (?:is|are) )?(?:one|some|others?)(?= (?:on|in|at|of|is|are|was|were) )"),
    "colon": r"[:\u2013\u2014]|(?<=\s)-(?=\s)",
    "but": _any(
        r"but|however|although|though|except(?:ing)?(?: for)?|other than|apart from|aside from|besides|save for"
        r"|nevertheless|with the exception of|rather(?! than)|instead(?! of)|beyond"
        r"|(?:only|just|merely|(?<!not\s)yet)(?= (?:an?|the|some|one|two|several|multiple) )"
    ),
    "stop": _any(r"whereas|while|because|since|due to|secondary to|which|who|where"),
    "end": r"[.!?](?!\d)|[;\n\u3002\uff1b]",
    "comma": r",(?:\s*and(?!\w))?|(?<![\w-])and(?!\w)",
    "bracket": r"\([^()]*+\)",
    # what is said
    "name": rf"{_NAME}{_REST}*+",
    "yes": _any("yes"),
    "abnormal": _any(
        r"abnormal|abnormally|abnormality|abnormalities|patholog(?:y|ies|ic|ical)|anomal(?:y|ies|ous)|lesions?|diseased?"
        r"|suspicious"
    ),
    "normal": _any(
        r"normal|normally|unremarkable|healthy|physiological|wnl|nad",
        r"(?:looks?|appears?|is|all) (?:fine|good|ok|okay)",
    )
    + rf"|(?<!\w)clear{STANDS_ALONE}",
    "thing": _any(
        r"(?:findings?|anything|any|one|ones|it|them|such|evidence|signs?)"
        rf"(?! (?:of|for) [^.;,{_NAME}]{{0,40}}{_NAME})"  # "no sign of a cyst" denies no more than the cyst
    ),
    "verb": _any(r"is|are|was|were|has|have|shows?|measures?|lies|appears?|remains?|contains?", _SEEN),
    "unsure": _any(r"unsure|unclear|uncertain|unknown|sorry"),
}
# none begins within a word, which saves most of the search
_BEGINS = rf"(?=(?<!\w)\w|[^\w\s]|\n|\A|(?<=[{_NAME}{_REST}])\s)"
_TOKEN = re.compile(f"{_BEGINS}(?:{'|'.join(f'(?P<{kind}>{pattern})' for kind, pattern in _TRIGGERS.items())})", re.I)
_DENIALS = ("undo", "other", "back", "bare", "nothing", "deny", "not", "unsure")

# what begins a clause of its own behind a comma or "and", where a bare name would go on with a list
_NEW_CLAUSE = re.compile(
    r"\s*"
    + _any(
        r"(?:also )?(?:an?|the|there|this|that|these|those|it|they|he|she|we|i|with|some|multiple|several|few|many"
        r"|numerous|one|two|three|both|no|not|is|are|shows?|normal|unremarkable|healthy|clear|stable)"
    ),
    re.I,
)
_ITS_VERB = re.compile(  # "no cyst, lungs are clear", but not "no cyst, nodule or mass is seen"
    rf"(?![^,.;()]{{1,80}}?\sand\s[^,.;()]{{1,40}}?\s(?:(?:can|could) be|is|are|was|were) {_SEEN}\b)"
    r"(?:(?!\s(?:or|nor)\s)[^,.;()]){1,80}?"
    r"\s(?:is|are|was|were|has|have|can|cannot|could|may|shows?|normal|unremarkable)\b",
    re.I,
)
_ARTICLE = re.compile(r"(?<!\w)an?\s", re.I)
_WITH_ARTICLE = re.compile(r"\s*an?\s", re.I)
_OR_LATER = re.compile(r"[^.;:!?]{1,80}?\s(?:or|nor)\s", re.I)
_PASSED = re.compile(r"no longer|resolved|disappeared|vanished|gone|cleared", re.I)
_NO_SUBJECT = _words(
    "it they this these but which that has have now since then and currently completely fully meanwhile"
)
_ASKS = re.compile(r"\s*(?:is|are|was|were|do|does|did|has|have|can|could|what|where|which|any)\b", re.I)
_DENIED_NEXT = re.compile(rf"\s*(?:no|none|not|absent|negative){STANDS_ALONE}", re.I)
_WORD = re.compile(r"[^\W\d_]+")
#: Words that narrow nothing: what is said with no others is said of all of the image.
_SWEEPING = _words(
    "no not none nothing nil negative yes normal abnormal abnormality abnormalities lesion lesions finding findings "
    "anything any everything all is are was were isn t aren wasn the this that it there an a image picture scan study "
    "examination exam radiograph film x ray ct mri region area here in of seen visible found identified detected noted "
    "present appears appear looks seems to be completely entirely totally both and i see cannot answer unremarkable "
    "healthy evidence sign signs shows show does do did has have within limits location you patient look "
    "presence"
)
_DENYING = _words("absence absent cannot contain contains free from lack lacks neither nor without")


# ------------------------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Claim:
    """That something is there, or is not: a known name, or None for an abnormality in general.

    ``sweeping`` is said of all of the image: "No abnormality." contradicts a finding, "The heart is normal." does not.
    """

    name: str | None
    affirmed: bool
    start: int
    sweeping: bool = False


@dataclass(frozen=True)
class Sentence:
    """A part of a text up to a stop, a semicolon or a line's end (``sign``), and what it claims.

    ``denies``: a word of denial or doubt stands in it.
    """

    start: int
    end: int
    sign: str
    claims: tuple[Claim, ...]
    denies: bool

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


def content(text: str, names: Names) -> set[str]:
    """The words of a question or an answer that narrow what is said in it, known names apart."""
    for start, end, _ in names.find(text):
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return {word.lower() for word in _WORD.findall(text)} - _SWEEPING - _DENYING


def read(text: str, names: Names) -> list[Sentence]:
    """All sentences of a text."""
    text = text.replace(_NAME, " ").replace(_REST, " ")
    mentions = {start: (end, name) for start, end, name in names.find(text)}
    masked = list(text)
    for start, (end, _) in mentions.items():
        masked[start:end] = _NAME + _REST * (end - start - 1)
    walk = _Walk("".join(masked), {start: name for start, (_, name) in mentions.items()})
    walk.walk(0, len(text))
    walk.end_sentence(len(text), "")
    return walk.sentences


def _deny(found: list[Claim], start: int = 0) -> None:
    found[start:] = [replace(claim, affirmed=False) for claim in found[start:]]


class _Walk:
    """From trigger to trigger through a text whose known names are masked; ``named`` says which begins where."""

    def __init__(self, text: str, named: dict[int, str]):
        self.text, self.named, self.end_of_text = text, named, len(text.rstrip())
        self.sentences: list[Sentence] = []
        self._begin_sentence(0)

    def _begin_sentence(self, at: int) -> None:
        self.start, self.denies = at, False
        self.said: list[Claim] = []
        self.last_clause = self.unexcepted = 0  # from where on in ``said``
        self.last_name: str | None = None
        self.unnamed: set[bool] = set()  # whether abnormality in general was affirmed, denied
        self._begin_clause(at)

    def _begin_clause(self, at: int) -> None:
        self.clause_start = at
        self.claims: list[Claim] = []
        self.undenied = 0  # from where on in ``claims``
        self._begin_scope("affirmed", at)

    def _begin_scope(self, mode: str, at: int, waits: bool = False) -> None:
        """From here on names are affirmed, denied or ignored; a denial that ``waits`` is one of whatever follows."""
        self.mode, self.scope_start, self.waits, self.verb, self.listed = mode, at, waits, False, False

    def walk(self, start: int, end: int) -> None:
        for found in _TOKEN.finditer(self.text, start, end):
            self.step(found.lastgroup or "", found)

    def step(self, kind: str, found: re.Match[str]) -> None:
        self.denies |= kind in _DENIALS
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
            case "back":
                self._deny_back(found)
            case "but":
                self._end_clause(found.start(), excepted=True)
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
                    affirmed = (self.mode == "affirmed") is (kind != "normal")
                    self._claim(self.named.get(found.start()) if kind == "name" else None, affirmed, found)
            case "thing" if self.mode == "denied":
                self._claim(None, False, found)
            case "yes":
                self._claim(None, True, found)
            case "bracket":
                self._bracket(found)
            case "verb":
                self.verb |= self.mode == "affirmed" or bool(self.claims)

    def _claim(self, name: str | None, affirmed: bool, found: re.Match[str]) -> None:
        self.claims.append(Claim(name, affirmed, found.start()))
        self.waits = False
        if name is None:
            self.unnamed.add(affirmed)
        else:
            self.last_name = name

    def _deny_back(self, found: re.Match[str]) -> None:
        """Denies what the clause has affirmed; where that is nothing, what goes without saying."""
        if any(claim.affirmed for claim in self.claims[self.undenied :]):
            _deny(self.claims, self.undenied)
            self.unnamed = {False} if self.unnamed else set()
        elif not self._passed(found):
            self._claim(None, False, found)
        self.undenied = len(self.claims)
        self._begin_scope("affirmed", found.end())

    def _passed(self, found: re.Match[str]) -> bool:
        """Whether the clause says of the one before it that it is no more ("There was a nodule. It has resolved.")."""
        if self.claims or found.start() - self.clause_start > 60 or not _PASSED.search(found[0]):
            return False
        words = {word.lower() for word in _WORD.findall(self.text, self.clause_start, found.start())}
        if words - _NO_SUBJECT or not (self.said or self.sentences):
            return False
        if self.said:
            _deny(self.said, self.last_clause)
        else:
            gone = list(self.sentences[-1].claims)
            _deny(gone)
            self.sentences[-1] = replace(self.sentences[-1], claims=tuple(gone), denies=True)
        return True

    def _bracket(self, found: re.Match[str]) -> None:
        """A bracket gives reasons; it is read where nothing was named before it ("abnormal (nodule)")."""
        if self.last_name is None and self.unnamed != {False}:
            self.walk(found.start() + 1, found.end() - 1)

    def _comma(self, found: re.Match[str]) -> None:
        """Ends the clause, unless a list goes on: "no cyst, nodule or mass", "not a cyst, a mass or an ulcer"."""
        comma, after = found[0] == ",", found.end()
        begins = _NEW_CLAUSE.match(self.text, after) is not None
        if begins and self.mode == "denied" and self.claims and _WITH_ARTICLE.match(self.text, after):
            first = self.claims[0].start
            articled = _ARTICLE.search(self.text, max(self.scope_start, first - 40), first)
            listed = found[0].endswith("and") or _OR_LATER.match(self.text, after)
            begins = not (articled and listed) or bool(_ITS_VERB.match(self.text, after))
        if self.mode == "affirmed":
            ends = self.verb or (comma and begins) or not self.claims
        else:
            ends = begins or self.verb or (comma and not self.listed and bool(_ITS_VERB.match(self.text, after)))
        if ends:
            self._end_clause(after)
        self.listed = not ends

    def _end_clause(self, at: int, excepted: bool = False) -> None:
        """``excepted``: what was said in general has an exception, which follows."""
        if self.waits:  # a denial of something that has no known name
            self.claims.append(Claim(None, False, self.clause_start))
        words = {word.lower() for word in _WORD.findall(self.text, self.clause_start, at)}
        self.last_clause = len(self.said) if self.claims else self.last_clause
        self.said += [replace(claim, sweeping=claim.name is None and words <= _SWEEPING) for claim in self.claims]
        if excepted:
            self.said[self.unexcepted :] = [replace(claim, sweeping=False) for claim in self.said[self.unexcepted :]]
            self.unexcepted = len(self.said)
        self._begin_clause(at)

    def end_sentence(self, at: int, sign: str) -> None:
        """A question claims nothing where its answer follows."""
        self._end_clause(at)
        asked = sign == "?" and (_ASKS.match(self.text, self.start) or _DENIED_NEXT.match(self.text, at + 1))
        claims = () if asked and at + 1 < self.end_of_text else tuple(self.said)
        self.sentences.append(Sentence(self.start, at, sign, claims, self.denies))
        self._begin_sentence(at + len(sign))
