"""Names that no list has, where only names stand: nicknames, speakers, families, forms with two words in capitals."""

from __future__ import annotations

import re

from unveil.gate.names import NOBODY, eponym
from unveil.gate.rule import Rule, Span, cues_of
from unveil.gate.words import harmless, known, ordinary, words

_WORD = r"[A-Z][^\W\d_][\w'-]*+"
#: "known as Henrietta Blum", called "Skip", goes by Kit
_CALLED = (
    rf"(?<!\w)(?i:(?:formerly|also|previously|now|better)?\s?known\sas|called|named|nicknamed|goes\sby|"
    rf"alias|a\.?k\.?a\.?|nee|born\sas|"
    rf"genannt|dit|dite|apodado|apodada|detto|detta|alcunha|prefers|addressed\sas|"
    rf"answers\sto)\s(?:[\x22\x27](?P<quoted>{_WORD})[\x22\x27]|"
    rf"(?P<it>{_WORD}(?:\s{_WORD}){{0,2}}))"
)
#: [16:02] Priyanka: ... and 16:02 Priyanka: ...
_SPEAKER = rf"(?<![\w.])\[?\d{{1,2}}:\d\d(?::\d\d)?\]?\s(?:-\s)?(?P<it>{_WORD}(?:\s{_WORD})?)(?=:)"
#: i. V. Ahrensmeyer, p.p. Wetherall
_FOR = (
    rf"(?<!\w)(?:[ip]\.?\s?[VvAap]\.|gez\.|ppa\.|sgd\.?|s/|/s/|per\spro\.?|"
    rf"f\.\sd\.\sR\.)\s?(?P<it>{_WORD}(?:\s{_WORD}){{0,2}})"
)
#: the Szymborski baby, the Okafor twins
_FAMILY = (
    rf"(?<!\w)(?:[Tt]he|[Bb]aby|[Yy]oung|[Ll]ittle|[Oo]ld)\s(?P<it>{_WORD})\s(?:baby|babies|twins?|family|"
    rf"child|children|girl|boy|brothers|sisters|siblings|"
    r"infant|newborn|kid|kids|household|couple)(?!\w)"
)
#: Szymborski family at the bedside, at the head of a sentence
_FAMILIES = (
    rf"(?:^|(?<=[.!?]\s)|(?<=\n))(?P<it>{_WORD})\s(?:family|parents|household|twins|baby|children|kids|siblings)\s(?=(?:at|here|in|on|is|are|has|have|"
    r"was|were|want|wants|would|wish|wishes|happy|aware|informed|present|updated|asking|ask|asks|meeting|keen|agree|agrees|refuse|"
    r"declined|upset|waiting|visiting|called|rang|phoned)\b)"
)
_BABY = (
    rf"(?<!\w)(?:(?:Baby|BABY|Infant|Newborn)\s(?:(?:boy|girl|of|BOY|GIRL|B/O|D/O|S/O|W/O)\s){{0,2}}|"
    rf"(?:[BbDdSsWwCc]/[Oo]|BG|BB)\s)(?P<it>{_WORD})(?!\w)"
)
#: MEYERHOF, TILMANN at the start of a line
_LOUD = (
    r"(?m:^|(?<=\|\s)|(?<=\n)|(?<=;\s))(?P<it>[A-Z][A-Z'-]{2,},\s[A-Z][A-Z'-]{2,})(?=\s?(?:-|\(|\||,?\s\d|"
    r",?\s[MFWmf]\b|:|$|\s[A-Z][a-z]))"
)
#: two capitals within a word: RMcQ/slb
_TYPED = (
    r"(?<!\w)(?:[Dd]ict(?:/typed|ated|\.)?|[Tt]yped|[Tt]ranscr\w*|DD|TD|[Dd]/[Tt]|[Dd]iktat|"
    r"[Ss]chreiber)\s?[:/]\s?(?P<it>[A-Za-z]{2,5}(?:/[A-Za-z]{2,5})?)(?!\w)"
)
_CALLS = (
    "formerly also previously now better known called named nicknamed goes alias a aka nee born genannt "
    "dit dite apodado apodada detto detta alcunha prefers addressed answers"
)


def _own(word: str) -> bool:
    """Whether a word is nothing that stands with a capital for other reasons."""
    small = word.lower().removesuffix("'s")
    return not (ordinary(word) or harmless(word) or small in words("not_places") or word in NOBODY or len(word) < 3)


def _called(found: re.Match[str]) -> Span | None:
    group = "quoted" if found["quoted"] else "it"
    first = found[group].split()[0]
    sure = _own(first) and not eponym(found, found.end())
    return found.span(group) if sure and not first.isupper() else None


def _one(found: re.Match[str]) -> Span | None:
    first = found["it"].split()[0]
    return found.span("it") if _own(first) and not eponym(found, found.end()) else None


def _unknown(found: re.Match[str]) -> Span | None:
    return None if known(found["it"]) else _one(found)


def _loud(found: re.Match[str]) -> Span | None:
    parts = [part.strip() for part in found["it"].split(",")]
    return found.span("it") if all(_own(part) for part in parts) else None


RULES: tuple[Rule, ...] = (
    Rule("name", "what somebody is called", re.compile(_CALLED), cues_of(_CALLS), place=_called),
    Rule("name", "speaker", re.compile(_SPEAKER), numbers=True, reach=1, place=_one),
    Rule("name", "signed for another", re.compile(_FOR), cues_of("i p gez ppa sgd s per f"), place=_one),
    Rule("name", "family", re.compile(_FAMILY), cues_of("the baby young little old"), place=_one),
    Rule(
        "name",
        "family at the head",
        re.compile(_FAMILIES),
        cues_of("family parents household twins baby children kids siblings"),
        reach=40,
        place=_unknown,
    ),
    Rule("name", "child of somebody", re.compile(_BABY), cues_of("baby infant newborn b d s w c bg bb"), place=_one),
    Rule("name", "surname and first name in capitals", re.compile(_LOUD, re.M), signs=(",",), reach=None, place=_loud),
    Rule(
        "name",
        "who dictated",
        re.compile(_TYPED),
        cues_of("dict dictated typed transcr transcribed dd td d diktat schreiber"),
    ),
)
