"""Dates: days, months with their year, birthdays, holidays. A year alone names nobody and passes, as HIPAA has it.

Relative dates ("two weeks ago"), seasons and times of the day are not of HIPAA's list.
"""

from __future__ import annotations

import re

from unveil.gate.months import ANY_MONTH, DAY, FREE, MONTHS, OTHER, YEAR
from unveil.gate.rule import Rule, Span, after, alternatives, before, compiled, cues_of, signs_of

_NOT_SIZE = r"(?!\s*(?:[x×*%]|mm|cm|ml|mg|kg|hz|db|ms|mgy|of\b|[.,]\d|\d))"

_NAMED = {
    # 3 April 2019, 03-APR-56, 03APR2019, 3rd of April, 3. April, 3 de abril de 2019, 3-5 April
    "day and month": rf"""{FREE}{DAY}(?P<ordinal>st|nd|rd|th|er|o|a|\.)?[\s,/.-]{{0,3}}
        (?P<of>(?:day\ )?of\s|de[rn]?\s|di\s|d')?
        (?P<month>{ANY_MONTH})(?![^\W\d_])\.?(?P<year>[\s,./'-]{{0,3}}(?:(?:de|del|of)\s)?(?:{YEAR}|
        '?\d\d(?!\s?(?:mm|cm|%|x))))?(?!\d)""",
    # April 3, 2019; Apr 3rd; Sep-03-2019
    "month and day": rf"""{FREE}(?P<month>{ANY_MONTH})\.?[\s,/-]{{0,2}}(?P<of>the\s)?{DAY}(?P<ordinal>st|nd|rd|th)?
        (?P<year>[\s,./-]{{1,3}}(?:{YEAR}|'?\d\d(?!\d)))?(?![\d/]|:\d){_NOT_SIZE}""",
    # April 2019, avril de 2019, Apr-19, Apr '19
    "month and year": rf"""{FREE}(?P<month>{ANY_MONTH})(?![^\W\d_])\.?
        (?P<year>[\s,./-]{{0,2}}(?:(?:de|del|of|d[ei]l?)\s)?{YEAR}|\s?'\d\d|
    [-/]\d\d)(?!\w)""",
    # 2019/Apr/03, 2019 April 3, 2019-APR-03
    "year, month and day": (rf"{FREE}(?P<year>{YEAR})[\s,./-]{{0,2}}(?P<month>{ANY_MONTH})[\s,./-]{{0,2}}{DAY}(?!\d)"),
}


def _month_is_meant(found: re.Match[str]) -> Span | None:
    """Words such as "may" are months with a year, or with a capital and a day: "3 May", not "1 may" or "OCT 3"."""
    month, groups = found["month"], found.groupdict()
    if month.lower() == "ott" and re.search(r"\d,\s?ott|\d/\d", found[0].lower()):  # "Schober 10/12, Ott 30/31"
        return None
    if re.search(r"(?<!\w)c-$", before(found, 3)) or re.match(
        r"\s?(?:stain|posit|negat|express|ihc|\+)", after(found, 8)
    ):
        return None  # the genes c-Jun and Oct-4
    if month.lower() not in OTHER.split() or re.search(YEAR, groups["year"] or ""):
        return found.span()
    if month.lower() in ("may", "march", "mar", "mars", "mai"):
        if re.match(r"\s*(?:fract|haemo|hemo|syndrom|test|show|be\b|repr|have|sugg|also|not)", after(found, 12)):
            return None
        if month[0].isupper() or groups.get("ordinal") or groups.get("of") or groups["year"]:
            return found.span()
        return found.span() if month.lower() in ("march", "mars", "mai") else None
    told = re.search(
        r"\b(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun|on|since|due|until|dated|lmp|edd|adm)\s$", before(found, 8)
    )
    return found.span() if groups["year"] or month == "Oct" or (told and month == "oct") else None


# --------------------------------------------------------------------------------------------------------- in digits

_SEPARATED = compiled(
    rf"""{FREE}(?<![\d][-/])(?:
        (?P<y>{YEAR})\s?(?P<s>[-/.])\s?(?P<m>\d\d?)\s?(?P=s)\s?(?P<d>\d\d?)
      | (?P<a>\d\d?)(?P<t>\s?[-/.]\s?|\.\s)(?P<b>\d\d?)\s?[-/.]\s?(?:(?P<z>{YEAR})|'?(?P<short>\d\d))
    )(?P<clock>[T\s]\s?\d\d?[:.]?\d\d[\d:.Z]{{0,12}})?(?![\w])(?![-/.,]\d)""",
    cased=False,
)
_VERSION = re.compile(
    r"(?:version|release|section|apgar|scores?|table|figure|fig|chapter|ratio|v|ver|software|sections?|"
    r"grades?)\.?\s?$"
)
_UNIT = re.compile(r"\s*(?:x|×|mm|cm|ml|mg|kg|%|hz|db|fr\b|f\b|g\b|hu\b|in\b(?!\s[a-z]))")


def _plausible(found: re.Match[str]) -> Span | None:
    """Month and day in either order, and neither a size nor a version."""
    if found["y"]:
        fits = (int(found["m"]) <= 12 and int(found["d"]) <= 31) or (int(found["d"]) <= 12 and int(found["m"]) <= 31)
        return found.span() if fits and int(found["m"]) and int(found["d"]) else None
    low, high = sorted((int(found["a"]), int(found["b"])))
    if not (1 <= low <= 12 and high <= 31):
        return None
    other = _UNIT.match(after(found, 8)) or _VERSION.search(before(found, 12))
    return None if other and found["short"] and not found["clock"] else found.span()


_COMPACT = compiled(
    rf"{FREE}{YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|"
    rf"3[01])(?:[T_-]?\d{{4,6}}(?:\.\d{{1,6}})?)?Z?(?![\w])(?!\.\d)"
)

#: What stands before a day and a month without a year.
_ON = """on since dated until till before after by am vom seit bis le du el del dia desde il dal em scan scanned study
exam examined film ct mri mr cxr xr pet us ultrasound radiograph mammogram admitted admission discharged seen surgery
operated placed inserted removed taken drawn started stopped changed received collected made performed done date prior
previous visit injury fall onset appointment review op born birthday dob repeat follow-up"""
_THINGS = r"""\s*(?:of|images?|slices?|views?|sequences?|phases?|series|lobes?|segments?
    |strength|power|points?|lesions?|levels?
    |cases?|patients?|readers?|sides?|scale|score|disc|vertebra|fields?|cm|mm|%|x|quadrants?|breasts?|nodes?|
    lung|width|pain|MRC)\b"""
_NO_YEAR = compiled(
    rf"""(?<!\w){alternatives(_ON)}(?:\s(?:of|from|on|the|dem|den|performed|dated|done|obtained|taken))?[:\s]\s*\(?
    (?P<it>(?:(?:0?[1-9]|1[0-2])/{DAY}|{DAY}/(?:0?[1-9]|1[0-2])|{DAY}\.\s?(?:0?[1-9]|1[0-2])\.
    |(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])-(?:0[1-9]|
    1[0-2])))(?![\w/%-])(?![.,:]?\d)(?!{_THINGS})"""
)
_RANGE = compiled(
    rf"(?:from|between|vom|entre|du|dal|von|zwischen|tra|del|de)\s(?P<it>(?:{DAY}/{DAY}\s?(?:-|to|and|until|"
    rf"und|bis|au|et|y|e|al|a)\s?{DAY}/{DAY}|{DAY}\.\s?(?:{DAY}\.)?\s?(?:-|to|and|until|und|bis|au|et|e|"
    rf"al)\s?{DAY}\.\s?{DAY}\.)(?:/?(?:{YEAR}|\d\d))?)(?![\w/])(?!{_THINGS})"
)
_PADDED = compiled(
    rf"(?:\(|^|[;,]\s|:\s)(?P<it>(?:0[1-9]|1[0-2])/(?:1[3-9]|2\d|3[01]|0[1-9])|(?:1[3-9]|2\d|3[01])/(?:0[1-9]|"
    rf"1[0-2]))(?=\)|:|\s-\s|[,;.]?\s|[,;.]?$)(?!{_THINGS})"
)
_MONTH_YEAR = compiled(
    rf"""{FREE}(?<![-/]) (?: (?:0?[1-9]|1[0-2])\s?[/-]\s?(?:19|20)\d\d | (?:0[1-9]|1[0-2])\.(?:19|20)\d\d
    | (?:19|20)\d\d[/-](?:0[1-9]|1[0-2]) ) (?![\w]|[-/.,]\d) {_NOT_SIZE}"""
)

# ---------------------------------------------------------------------------------------------------------- in words

_ALONE = compiled(
    rf"""(?<!\w)(?:in|since|last|next|until|by|of|early|mid|late|during|im|seit|anfang|ende|mitte|en|depuis|desde|em|
    from|this)
    [\s-](?P<it>{ANY_MONTH})(?!\w)"""
)


def _capital(found: re.Match[str]) -> Span | None:
    """A month's full name as it is written as a name."""
    name = found["it"]
    return found.span("it") if (name[0].isupper() and not name.isupper() and len(name) > 3) or name == "May" else None


# ------------------------------------------------------------------------------------------------------- other signs

_ASIAN = compiled(
    r"""(?: (?:\d{2,4}|[〇零○一二三四五六七八九十]{2,4})\s?[年년]
    \s?(?:\d{1,2}|[一二三四五六七八九十]{1,3})\s?[月월](?:\s?(?:\d{1,2}|
    [一二三四五六七八九十]{1,3})\s?[日号號일])?
    | (?:\d{1,2}|[一二三四五六七八九十]{1,3})\s?[月월]\s?(?:\d{1,2}|[一二三四五六七八九十]{1,3})\s?[日号號일]
    | (?:昭和|平成|令和|大正|民國|民国)\s?(?:\d{1,3}|元)\s?年(?:\s?\d{1,2}\s?月)?(?:\s?\d{1,2}\s?日)? )"""
)
_BIRTH = """dob d.o.b. d.o.b date_of_birth birth_date birthdate birthday birthdate geburtsdatum geb.-datum geb.datum
geburtstag date_de_naissance fecha_de_nacimiento data_di_nascita data_de_nascimento geboortedatum 生年月日 出生日期
出生年月 생년월일 дата_рождения تاريخ_الميلاد जन्म_तिथि जन्मतिथि f._nac. fec._nac. f.nac. ddn"""
_BORN = """born_on born_in geboren_am geb._am geb. geb nee_le ne_le nato_il nata_il nacido_el nacida_el nascido_em
nascida_em geboren_op родился родилась 出生于 生于"""
_BIRTH_RULE = compiled(
    rf"(?<!\w){alternatives(_BIRTH)}(?![^\W\d_])(?:(?<!birthday)(?<!geburtstag)|(?=\s?(?:[:=(#]|is\b|was\b|on\b|in\b|am\b|\d)))(?!\W{{0,4}}(?:not\s|unknown|removed|redacted|none|n/a|"
    rf"missing|withheld))[^\n;.]{{0,40}}(?:\.(?=\d)[^\n;.]{{0,12}}){{0,3}}"
)
_BORN_RULE = compiled(
    rf"(?<!\w){alternatives(_BORN)}\s*:?\s?(?=[\w(])(?!(?:bei|at|with|"
    rf"mit)\s)[^\n;.]{{1,40}}(?:\.(?=\s?\d)[^\n;.]{{0,12}}){{0,3}}"
)
_DATED = "date exam_date study_date scan_date datum fecha data_exame admission discharge studydate"
_EPOCH = compiled(rf"(?<!\w){alternatives(_DATED)}\s?[:=]\s?(?P<it>[\d][\d\s./:T-]{{3,24}})")

_MONTH_CUES, _MONTH_SIGNS = cues_of(MONTHS, OTHER), signs_of(MONTHS)
_REACH = {"day and month": 22, "year, month and day": 7}


def _no_score(found: re.Match[str]) -> Span | None:
    """ "Rated on 2/5" is a score, "review 6/12" is in six months."""
    score = re.search(r"(?:rated|scored?|graded?|power|strength)\s$", before(found, 10))
    months = re.match(r"(?:f|review|repeat|follow)", found[0].lower()) and re.fullmatch(r"[1-9]/12", found["it"])
    return None if score or months else found.span("it")


def _no_echo(found: re.Match[str]) -> Span | None:
    """ "TR/TE 2000/10" are times of a sequence."""
    return None if re.search(r"\b(?:tr|te)[\s:=]*$", before(found, 8)) else found.span()


_ROMAN = compiled(rf"{FREE}{DAY}\s?[./-]\s?(?:I{{1,3}}|IV|VI{{0,3}}|IX|XI{{0,2}})\s?[./-]\s?(?:{YEAR}|\d\d)(?!\w)")
_DOTTED = compiled(
    r"(?<![^\W_])(?<!\d[.,])(?P<it>(?:0?[1-9]|[12]\d|3[01])\.\s?(?:0?[1-9]|1[0-2])\.)(?=[,;)]|\s?-|"
    r"\s(?-i:[a-z(])(?!m\b))(?!\s(?:mm|cm|ml|x|bis\s\d))"
)
RULES: tuple[Rule, ...] = (
    *(
        Rule("date", name, compiled(form), _MONTH_CUES, _MONTH_SIGNS, reach=_REACH.get(name, 0), place=_month_is_meant)
        for name, form in _NAMED.items()
    ),
    Rule("date", "date in digits", _SEPARATED, numbers=True, place=_plausible),
    Rule("date", "date without separators", _COMPACT, numbers=True),
    Rule("date", "day and month in digits", _NO_YEAR, cues_of(_ON), place=_no_score),
    Rule("date", "days in digits", _RANGE, cues_of("from between vom entre du dal von tra zwischen del de")),
    Rule("date", "day and month of two digits each", _PADDED, numbers=True, reach=2),
    Rule("date", "month and year in digits", _MONTH_YEAR, numbers=True, place=_no_echo),
    Rule("date", "date with its month in Roman figures", _ROMAN, numbers=True),
    Rule("date", "month alone", _ALONE, _MONTH_CUES, _MONTH_SIGNS, reach=8, place=_capital),
    Rule("date", "day and month with stops", _DOTTED, numbers=True),
    Rule("date", "date in Chinese, Japanese or Korean", _ASIAN, signs=("年", "년", "月", "월"), reach=None),
    Rule("date", "date of birth", _BIRTH_RULE, cues_of(_BIRTH), signs_of(_BIRTH)),
    Rule("date", "born", _BORN_RULE, cues_of(_BORN), signs_of(_BORN)),
    Rule("date", "date after its name", _EPOCH, cues_of(_DATED)),
)
