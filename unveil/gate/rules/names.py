"""Names in Latin letters by their own form: initials, an order, a degree, a particle, an ending, or a common name."""

from __future__ import annotations

import itertools
import re

from unveil.gate.names import NOBODY, PARTICLE, WORD, eponym, name_rule, who
from unveil.gate.rule import Rule, Span, before, cues_of, whole
from unveil.gate.words import first_name, first_names, harmless, may_be_first, may_be_last, ordinary, surname, words

_SUFFIXES = (
    r"(?:MD|M\.D\.|PhD|Ph\.D\.|FRCR|FRCS|FRCP|FRCPC|FACR|FACS|FACC|FSIR|MBBS|MBChB|MRCP|MRCS|FFR|FRANZCR|DABR|"
    r"DNB|DMRD|DM|MSc|RDMS|ARRT|RT\(R\)|CRNP|ARNP|APRN|NP|NP-C|PA-C|RN|BSN|DO|DPM|DDS|DMD|Esq|Jr|Sr|CRT|PharmD|"
    r"FRACS|DMSc)"
)
_SUFFIXED = (
    rf"(?<![\w-])(?P<who>{WORD}(?:\s(?:[A-Z]\.?\s){{0,2}}{PARTICLE}{WORD}){{0,2}})(?:,\s?|"
    rf"\s)(?:{_SUFFIXES})(?![\w-])"
)
_CARET = (
    r"(?<!\w)(?<!\w\^)(?:[A-Z][\w'-]+(?:\s[A-Z][\w'-]*){0,3}|"
    r"[a-z]{2,30})\^{1,2}[A-Za-z][\w' .-]{0,40}(?:\^[\w .]{0,20}){0,3}"
)
_REVERSED = rf"(?<![\w^-])(?P<last>{PARTICLE}{WORD}),\s{{0,2}}(?P<first>{WORD})(?:\s[A-Z][\w.]*)?(?![\w^-])"
_TWO_INITIALS = rf"(?<![\w.])(?:[A-Z]\.\s?-?){{2,3}}(?P<who>{PARTICLE}{WORD})"
_INITIAL = rf"(?<![\w.])[A-Z]\.?\s{{0,2}}(?P<who>{PARTICLE}{WORD})"
_LAST_INITIAL = (
    rf"(?<![\w-])(?P<who>{WORD}),?\s(?:[A-Z]\.\s?){{1,3}}(?!\w)|"
    rf"(?<![\w-])(?P<last>{WORD})\s[A-Z]{{1,2}}(?=[\s,;.)]|$)"
)
_GROUPS = re.compile(
    r"(?:type|grade|vitamin|hepatitis|stage|class|stanford|panel|figure|fig|group|category|zone|level|part|"
    r"option|arm|image|series|label|influenza|child-pugh|ajcc|debakey|appendix|phase|score|dukes|box|table|step|"
    r"point|line|lobe|segment|birads|reader|section|choice|answer|variant|factor|protein|strain|plan|region|"
    r"area|side|site|lesion|mass|nodule|cohort|protocol|sequence|study|case|patient|of|and|or)\s?$"
)
_RUN = (
    r"(?<![\w^-])[A-Z][\w'-]+(?>(?:\s(?:[A-Z]\.?\s){0,2}(?:(?:van|von|der|den|de|del|di|da|dos|du|la|le|bin|bint|"
    r"ibn|al|el|ten|ter)\s){0,3}(?:al-|el-|d'|l')?[A-Z][\w'-]+)+)"
)
_SINGLE = r"(?<![\w^/-])(?<!\d\s)[A-Z][\w']{3,}+(?>(?:-[A-Z]\w+)?)(?![\w^/]|-\w)"
_SMALL_PAIR = r"(?<![\w^/-])(?P<first>[a-z'-]{3,}+)(?=,?\s(?P<last>[a-z'-]{3,}+))"


def _suffixed(found: re.Match[str]) -> Span | None:
    parts = who(found, *found.span("who"))
    return (
        found.span("who")
        if parts
        and not all(harmless(word) for word, _, _ in parts)
        and not ordinary(parts[-1][0])
        and not (len(parts) == 1 and parts[0][0].isupper() and len(parts[0][0]) < 6 and not surname(parts[0][0]))
        else None
    )


def _caret(found: re.Match[str]) -> Span | None:
    words = re.findall(r"[^\W\d_]{2,}", found[0])
    if words and all(ordinary(word) and not (may_be_first(word) or may_be_last(word)) for word in words):
        return None  # a protocol: "THORAX^ROUTINE"
    return None if re.fullmatch(r"(?:cm|mm|log|exp|ml|nm|um|km)\^.*", found[0]) else found.span()


def _last_first(found: re.Match[str]) -> Span | None:
    """ "Smith, John": one of both is a common name in its place, and none is an ordinary word."""
    last, first = found["last"], found["first"]
    if ordinary(last) or ordinary(first):
        return None
    sure = (surname(last) and (first_name(first) or not harmless(last))) or (first_name(first) and not harmless(first))
    return found.span() if sure and not eponym(found, found.end()) else None


def _initials_last(found: re.Match[str]) -> Span | None:
    """ "J. R. Weiss": any name, unless it is a word that stands behind an abbreviation."""
    return None if ordinary(found["who"].split()[-1]) or eponym(found, found.end()) else found.span()


def _initial_last(found: re.Match[str]) -> Span | None:
    """ "J. Smith", "J Smith": a common surname, or any name that somebody is called by; not "type A. Normal"."""
    word = found["who"].split()[-1]
    if ordinary(word) or len(word) < 3 or eponym(found, found.end()) or _GROUPS.search(before(found, 20)):
        return None
    if surname(word) and (not harmless(word) or found[0][1] == "."):
        return found.span()
    told = re.search(r"(?:\bby|\bwith|\bto|\bfrom|\bper|\bdr|\bsigned|\bseen|\basked)[\s:.]*$", before(found, 12))
    said = re.match(
        r"\s(?:has|is|was|had|reported|est|presente|souffre|agrees|reviewed|read|noted|und|hat)\b",
        found.string[found.end() : found.end() + 12],
    )
    return found.span() if (told and surname(word)) or ((told or said) and found[0][1] == ".") else None


def _last_initial(found: re.Match[str]) -> Span | None:
    """ "Smith J.", "Smith JR": a common surname, with one initial one that nothing else is called by."""
    word = found["who"] or found["last"]
    two = found[0][-2:].isupper() and found[0][-2:] not in NOBODY and found[0][-3] == " "
    sure = surname(word) and (two or not harmless(word))
    return found.span() if sure and not eponym(found, found.end()) else None


def _run(found: re.Match[str]) -> Span | None:
    """Capitalised words one of which is a common name with a neighbour that is no ordinary word."""
    parts = who(found, *found.span())
    pairs = [
        (one, two)
        for one, two in itertools.pairwise(parts)
        if not (ordinary(one[0]) or ordinary(two[0])) and _pair(one[0], two[0])
    ]
    if not pairs or (eponym(found, pairs[-1][1][2]) and not _sure(pairs[-1][0][0], pairs[-1][1][0])):
        return None
    return pairs[0][0][1], pairs[-1][1][2]


def _pair(one: str, two: str) -> bool:
    """Whether two neighbours are a name, in either order."""
    if one.isupper() != two.isupper() or (one.lower(), two.lower()) == ("ann", "arbor"):
        return False
    if harmless(one) and harmless(two):
        return first_name(one) and surname(two) and len(two) > 2
    if _chinese(one, two) or _chinese(two, one):
        return True
    if first_name(one) or (surname(two) and not harmless(two)):
        return True
    if first_name(two) and not harmless(one) and not harmless(two):
        return True
    return surname(one) and (first_name(two) or (not harmless(one) and not harmless(two)))


_SYLLABLE = (
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uan|uai|ai|ei|ao|ou|an|en|"
    r"in|un|ia|ie|iu|ua|ui|uo|ue|a|o|e|i|u)"
)
_PINYIN = re.compile(rf"{_SYLLABLE}-?{_SYLLABLE}(?:{_SYLLABLE})?", re.I)


def _chinese(family: str, given: str) -> bool:
    """Whether two words are a Chinese surname and what pinyin can spell: "Xu Xiaoling"."""
    short = len(family) < 7 and surname(family) and bool(re.fullmatch(_SYLLABLE, family, re.I))
    return short and len(given) > 3 and bool(_PINYIN.fullmatch(given))


def _sure(one: str, two: str) -> bool:
    """Whether neither is an eponym's: "John Patel", not "Robert Jones", whose bandage it may be."""
    return first_name(one) and surname(two) and not harmless(one) and not harmless(two)


#: "Ein 67-jähriger Bauer": a trade.
_AGED = ("jahriger ", "jahrige ", "jahrigen ", "jahriges ")


def _single(found: re.Match[str]) -> Span | None:
    """A common name alone, in capitals if it is no abbreviation, that nothing else is called by."""
    word = found[0]
    if re.search("[a-z][A-Z]{2}", word) or (word.isupper() and len(word) < 5):
        return None
    if harmless(word) or not (first_name(word) or surname(word)) or before(found, 12).endswith(_AGED):
        return None
    second = re.compile(r"\s[A-Z][\w'-]+").match(found.string, found.end())  # "Robert Jones bandage"
    return None if eponym(found, found.end()) or (second and eponym(found, second.end())) else found.span()


def _small_pair(found: re.Match[str]) -> Span | None:
    one, two = found["first"], found["last"]
    if not ((first_name(one) and surname(two)) or (surname(one) and first_name(two))):
        return None
    return (
        None
        if harmless(one) or ordinary(two) or eponym(found, found.end("last"))
        else (found.start(), found.end("last"))
    )


_PARTED = (
    r"(?<![\w-])(?P<first>[A-Z][\w'-]+)\s(?:van|van\sder|van\sden|van\sde|von|von\sder|ter|ten|bin|bint|ibn|dos|"
    r"das|al|el|de\sla|de\slas|de\slos|del|della|di)\s(?P<last>[A-Z][\w'-]+)"
)
_ENDING = (
    r"(?<![\w^/-])(?P<who>(?:[A-Z][a-z]{2,}(?:ov|ova|yev|yeva|eev|ovic|evic|ovich|evich|owski|ewski|owska|ewska|"
    r"inski|insky|inska|ovsky|evsky|skaya|enko|opoulos|escu|shvili|oglu|sdottir|sson|enkov)|(?:Mc|O'|"
    r"Fitz)[A-Z][a-z]{2,}|(?:van\sder|van\sden|van\sde|von\sder|de\sla)\s[A-Z][a-z]{2,}))(?![\w/]|-\w)"
)
_SMALL = (
    r"(?<![\w^/-])(?:pt|patient|reader|rater|annotator|for|by|dr|name|from|with|re|called|named|nurse|thanks|hi|"
    r"dear|hello|ask|told|of|to|is|and):?\s(?P<who>[a-z][a-z'-]{2,}+)(?!\w)"
)
_DIGIT_LETTERS = r"(?<!\w)[a-z]+\d[a-z\d]*(?:\s[a-z]+\d[a-z\d]*)?(?!\w)"
_ALONE = (
    r"(?<![\w.])(?!(?:I\.V|U\.S|C\.T|M\.R|N\.B|P\.A|A\.P|L\.V|R\.V|E\.R|I\.M|P\.O|S\.C|U\.K|E\.U|I\.D|E\.G|I\.E|"
    r"T\.B|G\.I|G\.U|B\.P|H\.R|V\.A)\.)[A-Z]\.\s?[A-Z]\.(?:\s?[A-Z]\.)?(?=,?\s(?:has|is|was|had|will|presented|"
    r"presents|denies|reports|needs|underwent|complains|fell|came|said|agrees|agreed|called|\d{1,3}\b))"
)
_DIGIT_NAMES = str.maketrans("013457", "oieast")


def _parted(found: re.Match[str]) -> Span | None:
    """ "Wilma van der Kok": no eponym such as "von Willebrand" and no ordinary word."""
    fits = not (
        ordinary(found["first"]) or harmless(found["last"]) or found["last"].isupper() != found["first"].isupper()
    )
    return found.span() if fits and not eponym(found, found.end()) else None


def _ending(found: re.Match[str]) -> Span | None:
    last = found["who"].split()[-1]
    return None if harmless(last) or eponym(found, found.end()) else found.span()


def _small(found: re.Match[str]) -> Span | None:
    """A common name in small letters behind a word that people stand behind."""
    word = found["who"]
    known = (first_name(word) or surname(word)) and not harmless(word) and len(word) > 3
    return found.span("who") if known and not eponym(found, found.end()) else None


def _spelt_with_digits(found: re.Match[str]) -> Span | None:
    words = found[0].translate(_DIGIT_NAMES).split()
    return found.span() if any((first_name(w) or surname(w)) and not harmless(w) for w in words) else None


_COMMON = frozenset(part for name in first_names() | words("surnames") for part in re.findall("[a-z]{2,}", name))
_LETTER = frozenset("abcdefghijklmnopqrstuvwxyz")
_DEGREES = cues_of(_SUFFIXES[3:-1].replace("|", " "))
_PARTICLES = cues_of("van von ter ten bin bint ibn dos das al el de del della di")

RULES: tuple[Rule, ...] = (
    name_rule("name with a degree", _SUFFIXED, _suffixed, _DEGREES, reach=60),
    Rule("name", "DICOM name", re.compile(_CARET), signs=("^",), reach=None, place=_caret),
    name_rule("surname and first name", _REVERSED, _last_first, _COMMON, reach=24),
    name_rule("initials and surname", _TWO_INITIALS, _initials_last, _LETTER),
    name_rule("initial and surname", _INITIAL, _initial_last, _LETTER),
    name_rule("surname and initial", _LAST_INITIAL, _last_initial, _COMMON),
    name_rule("common name beside another", _RUN, _run, _COMMON, reach=24),
    name_rule("common name alone", _SINGLE, _single, _COMMON, reach=4),
    name_rule("name with its particle", _PARTED, _parted, _PARTICLES, reach=24),
    Rule("name", "surname by its form", re.compile(_ENDING), place=_ending),
    name_rule("initials of a person", _ALONE, whole, _LETTER),
    name_rule("common name in small letters", _SMALL, _small, _COMMON, reach=11),
    name_rule("name with digits for letters", _DIGIT_LETTERS, _spelt_with_digits, frozenset()),
    name_rule("common names in small letters", _SMALL_PAIR, _small_pair, _COMMON),
)
