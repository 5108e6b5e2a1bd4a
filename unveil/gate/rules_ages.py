"""Ages over 89, which HIPAA counts as dates: in digits, in words and in the short forms of reports."""

from __future__ import annotations

from unveil.gate.rule import Rule, alternatives, compiled, cues_of, signs_of

_OLD = r"(?:9\d|1[01]\d|120)"
_FREE = r"(?<![\w])(?<!\d[.,:/-])(?<!\d\s[x×]\s)(?<![<>=])"
#: What is behind the number of years.
_YEARS = """y letni letnia letniego letniej years year yrs yr y.o y/o yo yof yom y.o. jahre jahren jahriger jahrige
jahrigen jahriges jahrig jaehrige jaehriger jaehrigen jaehrig ans anos ano anni anne annee jaar jarige year-old
yearold aniversario let lat ar vuotta yas лет года год летний летняя летнего летней 岁 歲 歳 周岁 세 살 साल वर्ष
वर्षीय बरस سنة عاما عام πετων ετων χρονων"""
#: What is before it.
_AGE = """age aged ages alter alt age_of aged_about edad idade eta age/sex age_/_sex leeftijd возраст 年龄 年齢 나이
연령 उम्र आयु العمر agee age_de edad_de eta_di ηλικια"""
_SEX = r"(?:male|female|man|woman|gentleman|lady|gent|patient|resident|nursing)"

_TENS = """ninety ninety-one ninety-two ninety-three ninety-four ninety-five ninety-six ninety-seven ninety-eight
ninety-nine ninety_one ninety_two ninety_three ninety_four ninety_five ninety_six ninety_seven ninety_eight
ninety_nine hundred one_hundred neunzig einundneunzig zweiundneunzig dreiundneunzig vierundneunzig funfundneunzig
sechsundneunzig siebenundneunzig achtundneunzig neunundneunzig hundert einhundert hunderteins hundertzwei hundertdrei
nonante cent noventa cien ciento novanta novantuno novantadue novantatre novantaquattro novantacinque novantasei
novantasette novantotto novantanove cento cem negentig eenennegentig tweeennegentig drieennegentig vierennegentig
vijfennegentig zesennegentig zevenennegentig honderd девяносто сто 九十 百"""
_NUMBER = (
    rf"(?:{alternatives(_TENS)}|quatre-?\s?vingt[s-]*\s?-?(?:dix|onze|douze|treize|quatorze|quinze|"
    rf"seize)(?:-(?:sept|huit|neuf))?)"
    r"(?:[\s-](?:and[\s-]|y[\s-]|e[\s-]|et[\s-])?\w{2,9}){0,3}?"
)
_WORD_YEARS = (
    "y/o y.o years year yrs yo jahre jahren jahrige jahriger jahrigen jahrig ans anos anni jaar лет года год летний "
    "летняя 岁 歳"
)

_GONE = r"(?!\s?(?:ago|later|before|of\ (?!age)|previously|prior|survival))"  # no age, but a time
_SOMEBODY = "pt patient he she mother father grandmother grandfather wife husband woman man lady gentleman resident"
_DEATH = """died dead alive deceased living passed passed_away lived turned turns turning reached gestorben verstorben
decede decedee fallecio morto morta morreu"""
_OLD_PERSONS = """nonagenarian nonagenarians centenarian centenarians supercentenarian nonagenario nonagenaria
nonagenaire centenario centenaria centenaire neunzigjahrig neunzigjahrige neunzigjahriger hundertjahrig hundertjahrige
hundertjahriger"""
_FORMS = {
    # 93-year-old, 93 yo, 93yrs, 93 ans, 93 J.
    "age with its unit": rf"{_FREE}{_OLD}(?:[.,]5)?[\s-]{{0,2}}{alternatives(_YEARS)}(?![a-z])(?:[\s-]old)?{_GONE}",
    "age in Asian scripts": rf"{_OLD}\s?(?:岁|歲|歳|周岁|세|살|साल|वर्ष)",
    # age: 93, aged 93, Age/Sex 93, in Alter von 93
    "age after its name": (
        rf"(?<!\w){alternatives(_AGE)}\s?(?:is|was|of|von|de|di|about|in\ years|"
        rf"\(y\))?[\x22\s]{{0,2}}[:=,|]?[\x22\s]{{0,2}}(?P<it>{_OLD})(?![\d%])(?!\s?(?:mm|cm|%|days|months|weeks|"
        rf"hours|[.,]\d))"
    ),
    # 93M, 93 F, 93/F, 93 y, 93 male; M/93, F93
    "age and sex": rf"{_FREE}9\d(?:(?-i:\s?[MFWH]|\s?/\s?[MFWmfw]|[mfyJ]|\sy)(?![\w/°-])|[\s-]{_SEX}(?!\w))",
    "sex and age": (
        r"(?<!\w)(?:(?-i:[MFW])\s?[/,]?\s?|(?:male|female|man|woman)[,/\s]\s?)(?P<it>9\d)(?![\w.,%]\d|\w|"
        r"\s?(?:mm|cm|%|x|hu|kg))"
    ),
    "age and sex in a row": rf"(?<![\w.,]){_OLD}\s?[,;|/]\s?(?-i:[MF])(?!\w)",
    "very old and sex": (
        r"(?<!\w)(?<!temp\s)(?<!\bof\s)(?<!\bto\s)(?<!fever\s)(?<!temperature\s)(?<!tmax\s)1[01]\d\s(?-i:M)(?=[,"
        r".;/)]|$|\s(?:with|w/|s/p|c/o|presenting|presents|who|post))"
    ),
    "age said of somebody": (
        rf"(?<!\w){alternatives(_SOMEBODY)}(?:\s(?:is|was|just|now|turned|aged|almost|"
        rf"nearly)){{1,2}}\s(?P<it>{_OLD})(?![\w%/]|[.,]\d|\s?(?:%|x|mm|cm|kg|lbs?|cms?|days|months|weeks|hours|"
        rf"minutes|percent|on|bpm|mmhg|in\ height))"
    ),
    "age at death": (
        rf"(?<!\w){alternatives(_DEATH)}(?:\s(?:at|to|mit|a|a\slos|aged?|con|com))?,?\s(?P<it>{_OLD})(?![\w%/]|"
        rf"[.,]\d|\s?(?:mm|cm|days|months|weeks|hours|minutes))"
    ),
    "age in words alone": rf"(?<!\w)at\s(?P<it>{_NUMBER})(?=[,.;]|\s(?:she|he|they|the\spatient|years))",
    "age in words": rf"(?<!\w){_NUMBER}[\s-]{{0,2}}{alternatives(_WORD_YEARS)}(?![a-z])(?:[\s-]old)?{_GONE}",
    "age in words after its name": (
        rf"(?<!\w)(?:age|aged|turned|turning|alter\svon|edad\sde|age\sde|eta\sdi|idade\sde)[\s:]\s?(?:of\s|"
        rf"is\s)?(?P<it>{_NUMBER})(?!\w)"
    ),
    "decade of life": r"""(?<!\w)(?:in\ (?:her|his|their|the)\s(?:early\s|mid|late\s|mid\s)?
        [\s-]?(?:nineties|90s|90's|hundreds)
        |(?:tenth|10th|eleventh|11th)\sdecade(?:\sof\slife)?|(?:early|mid|late)[\s-](?:nineties))(?!\w)""",
    "word for an old person": (
        rf"(?<!\w)(?:{alternatives(_OLD_PERSONS)}|(?:\w{{0,12}}undneunzig|hundert\w{{0,12}})jahrig\w{{0,2}}|"
        rf"\w{{0,12}}ennegentigjarig\w{{0,2}})(?!\w)"
    ),
    "age in Chinese words": r"(?:九十[一二三四五六七八九]?|一?百[零〇]?[一二三四五六七八九]?)(?:周)?[岁歲歳]",
}

#: The words of these forms; the others begin at a number.
_WORD_CUES: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "age after its name": (cues_of(_AGE), signs_of(_AGE)),
    "sex and age": (cues_of("m f w male female man woman"), ()),
    "age said of somebody": (cues_of(_SOMEBODY), ()),
    "age at death": (cues_of(_DEATH), ()),
    "age in words": (cues_of(_TENS, "quatre"), signs_of(_TENS)),
    "age in words alone": (cues_of("at"), ()),
    "age in words after its name": (cues_of("age aged turned turning alter edad eta idade"), ()),
    "decade of life": (cues_of("in tenth th eleventh early mid late"), ("10th", "11th")),
    "word for an old person": (cues_of(_OLD_PERSONS), ("undneunzigjahrig", "hundert", "ennegentigjarig")),
    "age in Chinese words": (frozenset(), ("九", "百")),
}
_REACH = {"word for an old person": 14, "age in Chinese words": 1}

RULES: tuple[Rule, ...] = tuple(
    Rule("age over 89", name, compiled(form), *_WORD_CUES[name], reach=_REACH.get(name, 0))
    if name in _WORD_CUES
    else Rule("age over 89", name, compiled(form), numbers=True)
    for name, form in _FORMS.items()
)
