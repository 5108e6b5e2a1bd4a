"""What the rules for places share: how a place's own name is written, and what makes a word none."""

from __future__ import annotations

import re
from collections.abc import Callable

from unveil.gate.names import eponym
from unveil.gate.rule import Rule, Span, compiled, cues_of, whole
from unveil.gate.rules.places import LARGE
from unveil.gate.rules.towns import AFTER_TOWN, LEARNED
from unveil.gate.words import harmless, listed, ordinary, words

#: A word with a capital, and a name of up to four, whose parts links may join; both heed capitals.
CAPITAL = r"(?-i:(?:[dDlL]')?[A-Z][\w'-]*+)"
_LINK = (
    r"(?:(?:de\sla|de\slas|de\slos|van\sde|van\sden|an\sder|auf\sder|am|de|del|della|delle|dei|degli|di|da|do|dos|"
    r"das|du|des|le|la|les|los|las|el|y|e|et|et\sla|van|ter|ten|von|zum|zur|of|the|and|&|on|upon|sur)\s)"
)
NAME = rf"(?:{_LINK}|d'|l'){{0,2}}{CAPITAL}(?:[\s-](?:{_LINK}){{0,2}}{CAPITAL}){{0,3}}"
#: Behind a house the village that it stands in, and its ward behind that.
TAIL = rf"(?:,?\s(?:in|te|i|a|w|we|bei|de|di|du|en|em|near|at|ved|vid)\s{CAPITAL}(?:[\s-]{CAPITAL}){{0,2}}){{0,1}}"

#: What departments' names begin with, in the languages of Europe.
_DEPARTMENT = re.compile(
    r"(?:chirur|kirur|surgi|cirug|cirurg|medi[ckszt]|medyc|intern|ortop|orthop|cardio|kardio|cardia|neuro|on[ck]olo|pa?ediat|"
    r"padiat|pediat|urolo|gyn|ginek|ginec|kvinn|kvinde|obstet|radiol|rontgen|psych|psiq|psic|geriat|peds|intens|reanim|trauma|"
    r"unfall|terap|therap|patol|pathol|pneumo|pulmo|lungen|nefro|nephr|ha?emat|hamat|gastro|dermat|endosc|endok|endoc|rehab|"
    r"rh?eum|oftal|okul|ophth|augen|otor|laryng|halsn|ana?esth|anesth|anest|infek|infec|urgen|notfall|notauf|dialy|palli|"
    r"matern|neonat|wewn|ogoln|ratunk|coron|hemod|vasc|vask|thora|tora[ck]|transp|inpat|outpat|ambul|isolat|obser|assess|"
    r"emerg|crit|recov|covid|elder|renal|kidney|maxill|zahn|kiefer|memor|mamm|interven|sonog|ultras|diagn|special|hyper|"
    r"(?:surg|med|inner[en]?|innere|gyn|ped|paed|acute|akut|uci|uti|uvi|sor|stroke|day|dag|tag|short|overnight|post|pre|burns?|"
    r"breast|brust|mama|birth|birthing|delivery|labou?r|high|step|stepdown|obs|care|chest|liver|heart|eye|ent|hno|admissions?|"
    r"discharge|frailty|fracture|plastics?|oral|dental|spin(?:e|al)|pain|health|hdu|itu|icu|nicu|picu|ccu|eau|amu|mau|sau|"
    r"echo|cath|angio|hybrid|scanning|imaging|nuclear|x-?ray|ct|mri?|us|pet|biopsy|dual|mobile|portable|left|right|mixed|"
    r"adult|child|children's|women's?|men's?|family|ed|er)(?![\w]))",
    re.I,
)
_KNOWN = words("not_places")
_NOT_NAMES = listed("""general central national regional municipal local main new old north south east west upper lower
inner outer left right level floor room bed bay unit ward house home hospital clinic number side street road one
two three
four five six the and this that our his her their your my its all any no each other another same next last first second
third prior mit ohne und bei pat patient patientin nur alle alt akut chronisch links rechts erste zweite dritte officer
student staff nurse doctor guard inmate clinique service departement seldinger foley nuit jour journee""")


def own(word: str, *, eponyms: bool = False, least: int = 3) -> bool:
    """Whether a word with a capital may be a place's own name; with ``eponyms`` also one that names a disease."""
    plain = word.strip("-'.,").removesuffix("'s")
    small = plain.lower()
    return (
        len(plain) >= least
        and plain[:1].isupper()
        and not (plain.isupper() and len(plain) < 6)
        and not (ordinary(plain) if eponyms else harmless(plain))
        and (eponyms or small not in _KNOWN)
        and small not in _NOT_NAMES
        and not LEARNED.search(plain)
    )


def known(word: str) -> bool:
    """Whether a word is a drug's, a maker's or a department's, so that it is no place behind "from"."""
    return word.lower() in _KNOWN


def department(word: str) -> bool:
    """Whether a word begins as departments and rooms of every hospital do."""
    return _DEPARTMENT.match(word) is not None


def _capitals(text: str) -> list[str]:
    return [word for word in re.findall(r"[\w'-]+", text) if word[0].isupper()]


def _span(found: re.Match[str]) -> Span:
    return found.span("it") if "it" in found.re.groupindex and found["it"] else found.span()


def named(found: re.Match[str]) -> Span | None:
    """A name of which a word is its own, wherever a street or a house stands before it: eponyms count."""
    start, end = _span(found)
    return (start, end) if any(own(word, eponyms=True) for word in _capitals(found.string[start:end])) else None


def housed(found: re.Match[str]) -> Span | None:
    """As ``named``, but no name of a department, and its first word is its own."""
    start, end = _span(found)
    said = [word for word in _capitals(found.string[start:end]) if len(word) > 2]
    good = bool(said) and any(own(word) for word in said) and not department(said[0])
    return (start, end) if good and not eponym(found, end) else None


def town(found: re.Match[str]) -> Span | None:
    """A name that nothing of medicine has, and no country."""
    start, end = _span(found)
    said = _capitals(found.string[start:end])
    if not any(own(word) for word in said) or LARGE.fullmatch(found.string[start:end]):
        return None
    medical = eponym(found, end) and not re.match(r"\s(?:hospital|clinic)", found.string[end:])
    return None if medical or AFTER_TOWN.match(found.string, end) else (start, end)


def place_rule(
    name: str,
    pattern: str,
    cues: str,
    place: Callable[[re.Match[str]], Span | None] = whole,
    *,
    signs: tuple[str, ...] = (),
    reach: int | None = 0,
    numbers: bool = False,
) -> Rule:
    """A rule for places whose pattern heeds capitals where it says so only."""
    return Rule("place", name, compiled(pattern), cues_of(cues), signs, numbers=numbers, reach=reach, place=place)
