"""Ages over 89, which HIPAA counts as dates: in digits, in words and in the short forms of reports."""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, alternatives, compiled, cues_of, signs_of, whole

_OLD = r"(?:9\d|1[01]\d|120)"
_FREE = r"(?<![\w])(?<!\d[.,:/-])(?<!\d\s[x×]\s)(?<![<>=])"
#: What is behind the number of years.
_YEARS = """y letni letnia letniego letniej years year yrs yr y.o y/o y-o yo yof yom wiosen wiosny yof. y.o.f y.o.m
y.o. ym yf winters springs summers lenze jahre jahren jahriger jahrige
jahrigen jahriges jahrig jaehrige jaehriger jaehrigen jaehrig ans anos ano anni anne annee jaar jarige year-old
yearold aniversario let lat ar vuotta yas yasinda yasindaki aring arig arige eves vuotias vuotiaan tuoi tahun taong
ani metu aastat godina
godine rokiv let. lj lebensjahre letni-a ετους ปี שנה שנים سالہ ساله سنة лет р. років рік г.р года год летний летняя
летнего летней 岁 歲 歳 周岁 세 살 साल वर्ष
वर्षीय बरस سنة عاما عام πετων ετων χρονων"""
#: What is before it.
_AGE = """age aged ages alter alt age_of aged_about edad idade eta age/sex age_/_sex leeftijd возраст 年龄 年齢 나이
연령 उम्र आयु العمر agee di_anni yo: age: age_de edad_de eta_di patient_age patients_age patient's_age age_at_scan
age_at_exam age_at_study age_yrs age_years age_y ageyrs lft leeft lebensalter idade_do_paciente wiek vek varsta yas
yasi usia umur tuoi
kor ika alder alter_in_jahren ηλικια गर्भ גיל سن อายุ вік"""
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
_PERSONS = """patient pt pat lady woman man gentleman gent male female resident widow widower mother father grandmother
grandfather grandma grandpa wife husband person elderly senior veteran pensioner nun farmer patientin paciente paziente
dame frau herr mann femme homme monsieur madame mujer hombre senora senor donna uomo signora signore mulher homem vrouw
man bewohner bewohnerin seniorin rentner rentnerin she he"""
_FORMS = {
    # 93-year-old, 93 yo, 93yrs, 93 ans, 93 J.
    "age with its unit": rf"{_FREE}{_OLD}(?:[.,]5)?[\s-]{{0,2}}{alternatives(_YEARS)}(?![a-z])(?:[\s-]old)?{_GONE}"
    r"(?!\s?-?(?:microsph|seeds|glass|resin|radioemb|tare|sirt|labell?ed|therapy))",
    "age in Asian scripts": rf"{_OLD}\s?(?:岁|歲|歳|周岁|세|살|साल|वर्ष)",
    # age: 93, aged 93, Age/Sex 93, in Alter von 93
    "age after its name": (
        rf"(?<!\w){alternatives(_AGE)}\s?(?:(?:is|was|now|of|von|de|di|about|approx\.?|ca\.?|circa|"
        rf"today|currently|at\s\w{{3,12}}|in\s(?:\w{{4,8}}\s)?(?:years|jahren)|years|yrs)\s?|"
        rf"[\[(][a-z]{{1,6}}\.?[\])]\s?){{0,2}}"
        rf"[\x22\s.]{{0,4}}(?:[:=,|~-]|->)?[\x22\s\[(~]{{0,3}}(?P<it>0?{_OLD}(?:[.,]\d{{1,2}})?)(?![\d%])"
        rf"(?!\s?(?:mm|cm|%|days|"
        rf"months|weeks|"
        rf"hours|[.,]\d))"
    ),
    # 93M, 93 F, 93/F, 93 y, 93 male; M/93, F93
    "age and sex": rf"{_FREE}9\d(?:(?-i:\s?[MFWH]|\s?/\s?[MFWmfw]|[mfyJ]|\sy)(?![\w/°-])(?<!(?-i:99m))|"
    rf"[\s-]{_SEX}(?!\w))",
    "sex and age": (
        r"(?<!\w)(?:(?-i:[MFW])\.?\s?[/,;|-]?\s?|(?:male|female|man|woman|mann|frau|weiblich|mannlich|homme|"
        r"femme|hombre|mujer|varon|"
        r"uomo|donna|homem|mulher)[,;|/\s]\s?|[♂♀⚥]\s?|pat(?:ient(?:in)?)?[.:,]{1,2}\s[mwf]\.?,?\s)(?P<it>9\d)"
        r"(?![\w.,%]\d|\w|"
        r"\s?(?:of|cases|patients|women|men|mm|cm|%|x|hu|kg))"
    ),
    "age and sex in a row": rf"(?<![\w.,]){_OLD}\s?[,;|/]\s?(?-i:[MF])(?!\w)",
    # 94a, 96 a., 92 J., 97 jr, 91yM, 094Y, 94♂
    "age with a letter": (
        rf"{_FREE}(?:0?{_OLD}(?:[aj]|aa|jr|[yj][mfw]|ym|yf)|0{_OLD}[yaj]?|{_OLD}\s?(?:a\.|aa\.?|jr\.?|lj\.?)|"
        rf"9\d\s(?:[yj]\.?|(?-i:v)|(?-i:a)(?=[.,;)]|$))|{_OLD}\s?[♂♀⚥])(?![\w/°-])(?<!99m)"
    ),
    # in her 103rd year, 95th birthday, im 95. Lebensjahr
    "year of life": (
        rf"{_FREE}{_OLD}(?:st|nd|rd|th|\.|e|eme|o|a|st\s|º|ª)?\s(?:birthday|b-day|bday|year\b(?!s)|"
        rf"lebensjahr\w{{0,2}}|geburtstag\w{{0,2}}|"
        r"anniversaire|cumpleanos|compleanno|aniversario|verjaardag)"
    ),
    "born so long ago": rf"(?<!\w)born\s(?:\w{{3,8}}\s)?(?P<it>{_OLD}\s(?:years|yrs))",
    # a lady of 95, female (97), patient, just short of 100
    "age of somebody": (
        rf"(?<!\w){alternatives(_PERSONS)}(?:\sof\s(?:about\s|nearly\s|almost\s)?(?P<it>{_OLD})|"
        rf"\s?\((?!(?:bmi|hr|score|spo2|sat|bp|weight|height|temp|n)\b)(?:[^()\n\d]{{0,16}}[\s,/])?"
        rf"(?P<inside>{_OLD})\s?(?:[,/]?\s?[mfw])?\)|,?\s(?:\w{{2,9}},?\s){{0,2}}(?:just\sshort\sof|nearly|"
        rf"almost|nearing|approaching|pushing|going\son|"
        rf"close\sto|past|exactly|rising|turned|turning|turns|rising|celebrat\w+)\s(?P<nearly>{_OLD})|"
        rf"[^.\n\d]{{0,20}}\(?(?:>\s?90|90\s?\+)[^\n\d]{{0,16}}(?P<over>{_OLD})|"
        rf",\s(?P<apart>{_OLD})(?=,\s?[a-z]))(?![\w%/]|[.,]\d|"
        r"\s?(?:%|x\b|mm|cm|kg|lbs?|days|months|weeks|hours|min|percent|on\b|watts?|met(?:re|er)s?|m\b|times|"
        r"day\b|bpm|mmhg|ml|mg|degrees|hu\b|beats))"
    ),
    "very old and sex": (
        r"(?<!\w)(?<!temp\s)(?<!\bof\s)(?<!\bto\s)(?<!fever\s)(?<!temperature\s)(?<!tmax\s)1[01]\d\s(?-i:M)(?=[,"
        r".;/)]|$|\s(?:with|w/|s/p|c/o|presenting|presents|who|post))"
    ),
    "age said of somebody": (
        rf"(?<!\w){alternatives(_SOMEBODY)}(?:\s(?:is|was|(?:will|going\sto|about\sto|soon\sto|to)\sbe|being|"
        rf"be|just|now|turned|aged|reached|almost|"
        rf"nearly)){{1,2}}\s(?P<it>{_OLD})(?![\w%/]|[.,]\d|\s?(?:%|x|mm|cm|kg|lbs?|cms?|days|months|weeks|hours|"
        rf"minutes|percent|on|bpm|mmhg|watts?|met(?:re|er)s?|m\b|degrees|times|in\ height))"
    ),
    "age at death": (
        rf"(?<!\w){alternatives(_DEATH)}(?:\s(?:at|to|mit|a|a\slos|aged?|con|com))?,?\s(?P<it>{_OLD})(?![\w%/]|"
        rf"[.,]\d|\s?(?:mm|cm|kg|%|days|months|weeks|hours|minutes|degrees|met(?:re|er)s?|m\b|watts?|times|ml|"
        rf"mg|bpm))"
    ),
    "age at a time": rf"(?<!\w)at\s(?P<it>{_OLD})(?=,?\s(?:she|he|the\spatient|her|his|they|still|years)\b)",
    "age in words alone": rf"(?<!\w)at\s(?P<it>{_NUMBER})(?=[,.;]|\s(?:she|he|they|the\spatient|years))",
    "age in words": rf"(?<!\w){_NUMBER}[\s-]{{0,2}}{alternatives(_WORD_YEARS)}(?![a-z])(?:[\s-]old)?{_GONE}",
    "age in words after its name": (
        rf"(?<!\w)(?:age|aged|turned|turning|alter\svon|edad\sde|age\sde|eta\sdi|idade\sde)[\s:]\s?(?:of\s|"
        rf"is\s)?(?P<it>{_NUMBER})(?!\w)"
    ),
    "decade of life": r"""(?<!\w)(?:in(?:to)?\ (?:her|his|their)\s(?:early|mid|late|middle|very\slate)?
        [\s-]?(?:nineties|90s|90's|hundreds|90ies)|(?:her|his)\s(?:nineties|90s)
        |(?:anfang|mitte|ende)\s(?:neunzig|90)(?!\d)|(?:uber|knapp|fast)\s(?:neunzig|hundert)(?:jahrig\w*)?(?=[,.;)]|$)
        |(?<=in\sden\s)neunzigern|(?<=in\sihren\s)neunzigern|(?<=in\sseinen\s)neunzigern
        |(?:tenth|10th|eleventh|11th)\sdecade(?:\sof\slife)?|(?:early|mid|late)[\s-](?:nineties))(?!\w)""",
    "word for an old person": (
        rf"(?<!\w)(?:{alternatives(_OLD_PERSONS)}|\w{{0,10}}novant\w{{0,9}}enn[ei]|(?:ultra|quasi|semi|"
        rf"super)\w{{0,2}}(?:nonagen|centen)\w{{4,7}}|"
        rf"noventon\w{{0,2}}|nittio?aring|negentiger|(?:\w{{0,12}}undneunzig|hundert\w{{0,12}})jahrig\w{{0,2}}|"
        rf"\w{{0,12}}ennegentigjarig\w{{0,2}})(?!\w)"
    ),
    "age in Chinese words": r"(?:九十[一二三四五六七八九]?|一?百[零〇]?[一二三四五六七八九]?)(?:周)?[岁歲歳]",
}

#: The words of these forms; the others begin at a number.
_WORD_CUES: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "age after its name": (cues_of(_AGE), signs_of(_AGE)),
    "sex and age": (
        cues_of(
            "pat patient patientin m f w male female man woman mann frau weiblich mannlich homme femme hombre "
            "mujer varon uomo donna "
            "homem mulher"
        ),
        ("♂", "♀", "⚥"),
    ),
    "age said of somebody": (cues_of(_SOMEBODY), ()),
    "age at death": (cues_of(_DEATH), ()),
    "age in words": (cues_of(_TENS, "quatre"), signs_of(_TENS)),
    "age at a time": (cues_of("at"), ()),
    "age in words alone": (cues_of("at"), ()),
    "age in words after its name": (cues_of("age aged turned turning alter edad eta idade"), ()),
    "age of somebody": (cues_of(_PERSONS), ()),
    "born so long ago": (cues_of("born"), ()),
    "decade of life": (
        cues_of("in into her his anfang mitte ende uber knapp fast neunzigern tenth th eleventh early mid late"),
        ("10th", "11th"),
    ),
    "word for an old person": (
        cues_of(_OLD_PERSONS),
        ("undneunzigjahrig", "hundert", "ennegentigjarig", "novant", "nonagen", "centen"),
    ),
    "age in Chinese words": (frozenset(), ("九", "百")),
}
_REACH = {"word for an old person": 14, "age in Chinese words": 1}


def _age(found: re.Match[str]) -> Span | None:
    """The age's own group, whichever took part."""
    for group in ("inside", "nearly", "over", "apart"):
        if found.groupdict().get(group):
            return found.span(group)
    return whole(found)


RULES: tuple[Rule, ...] = tuple(
    Rule("age over 89", name, compiled(form), *_WORD_CUES[name], reach=_REACH.get(name, 0), place=_age)
    if name in _WORD_CUES
    else Rule("age over 89", name, compiled(form), numbers=True)
    for name, form in _FORMS.items()
)
