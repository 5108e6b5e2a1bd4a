"""Streets without a number or in small letters, motorways and their exits, and what stands behind an address."""

from __future__ import annotations

import re

from unveil.gate.places import CAPITAL, named, own, place_rule
from unveil.gate.rule import Rule, Span, alternatives
from unveil.gate.words import harmless, listed, ordinary

# --------------------------------------------------------------------------------------------------- kind, then name

_LINKS = (
    r"(?:(?:de|del|de\sla|de\slas|de\slos|des|du|della|delle|dello|dei|degli|da|do|dos|das|di|la|le|les|los|las|san|"
    r"santa|santo|sao|saint|sainte)\s|de\sl'|dell'|d'|l'){0,3}"
)
_FIRST = """rue ruelle venelle impasse chemin sentier montee esplanade boulevard bd bld faubourg lotissement calle
callejon avenida avda plaza plazuela glorieta paseo travesia ronda rambla rua travessa praca alameda estrada ladeira
beco viela viale vicolo piazza piazzale piazzetta salita lungomare lungotevere contrada ulica ulicy ulice aleja alei
osiedle osiedlu placu bulevardul strada soseaua calea ulici namesti trg allee avenue quai jalan lorong"""
_SURE_LINK = r"(?:de\sla|de\slas|de\slos|des|du|del|da|do|dos|das|dei|degli|delle|della|dello|de\sl')"
_STREET = (
    rf"(?<![\w-]){alternatives(_FIRST)}\.?\s{_LINKS}{CAPITAL}(?:[\s-](?:(?:de|del|da|do|dos|das|di|la|y|e|et)\s){{0,2}}"
    rf"{CAPITAL}){{0,3}}"
)
_SMALL_STREET = (
    rf"(?<![\w-])(?:rue|ruelle|chemin|impasse|calle|avda|avenida|plaza|rua|travessa|avenida|alameda|(?<=\bin\s)via|viale|"
    rf"vicolo|piazza)\s{_SURE_LINK}\s?(?P<last>[a-z][a-z'-]{{3,24}})(?![\w-])"
)
#: Words that mean more than a street: they need what stands before them.
_WEAK = (
    rf"(?:(?<=\bin\s)|(?<=\bna\s)|(?<=\bno\s)|(?<=,\s))(?:via|largo|corso)\s{_LINKS}(?!(?:peri|oral|endo|ven|bili|aere|sotto|retro|antero|intra|trans|prov|defin|gener|prec|prefer|terap|indag))(?-i:[A-Z][a-z])[\w'-]+"
    rf"(?:\s{CAPITAL}){{0,2}}(?=\s?(?:\d|[,;.)]|$|\s(?:a|ad|em)\s))|"
    rf"(?<![\w-])via\s(?:dei|degli|delle|della|dello|del|dell'|di)\s?{CAPITAL}(?:\s{CAPITAL}){{0,2}}|"
    rf"(?<!\ben\s)(?<!\bla\s)(?<!\bsa\s)(?<!\bune\s)(?<!\ba\s)(?<!\bde\s)(?<!\w)place\s(?:du|de\sla|des|de\sl'|de|d')\s?"
    rf"(?-i:[A-Z][a-z])[\w'-]+(?:[\s-]{CAPITAL}){{0,2}}|"
    rf"(?:(?<=\bna\s)|(?<=\bprzy\s)|(?<=\bzam\.\s)|(?<=,\s)|(?<=^))(?:os\.|pl\.|al\.)\s{CAPITAL}(?:\s{CAPITAL}){{0,2}}|"
    rf"(?<!\w)ul\.?\s(?:\w{{1,6}}\.\s)?{CAPITAL}(?:\s{CAPITAL}){{0,2}}|"
    rf"(?<!\w)(?:wohnt|wohnhaft|whft\.?|lebt|adr\.?)\s(?:(?:am|im|an\sder|auf\sder|auf\sdem|zum|zur|unter\sden|"
    rf"hinter\sder|in\sden)\s)(?!erd|ober|unter|dach|pflege|alten|heim|haus|eigen|wohn|betreut|stadt|dorf|land|ort|umland|zentrum|senior|heim|hospiz)(?P<it>{CAPITAL})(?=\s?(?:\d|[,;.]|$))"
)


def _small(found: re.Match[str]) -> Span | None:
    last = found["last"]
    return None if harmless(last) or last in ("arteria", "vena", "nervio", "nervo", "paciente") else found.span()


# --------------------------------------------------------------------------------------------------- name and ending

_ENDED = """strasse gasse allee chaussee str. weg platz ufer siedlung laan straat plein kade gracht singel steeg dreef
gatan vagen gata gaten gade vej vejen veien vegen stigen stien torget plassen grand vaenget alleen svingen kroken
katu kadulla tiella kujalla"""
_ENDING = (
    r"(?<![\w-])(?-i:[A-Z])[a-z-]{2,24}(?:(?<=\w{3})(?:strasse|gasse|(?<!v)allee|chaussee|str\.)|"
    r"(?:laan|straat|plein|(?<=\w{4})kade|gracht|singel|steeg|dreef|katu|kadulla))(?![\w])"
)
_ENDING_BEHIND = (
    r"(?<!\w)(?:im|am|an\sder|ecke|vom|zum|in|op\sde|op\shet|aan\sde|aan\shet|in\sde|pa|i|vid|ved|fra|fran|langs)\s"
    r"(?P<it>(?-i:[A-Z])[a-z-]{2,24}(?:weg|platz|ufer|siedlung|dijk|hof|pad|markt|gatan|vagen|gata|gaten|gade|vej|vejen|"
    r"veien|vegen|stigen|stien|torget|plassen|grand|vaenget|alleen|svingen|kroken|backen|bakken|tiella|kujalla))(?!\w)"
)
_NO_STREET = re.compile(
    r"(?:atem|harn|gallen|luft|zugang|abfluss|ausfluss|einfluss|leit|geburt|verdau|reiz|nerven|hor|seh|umgehung|arbeits|"
    r"schlaf|steh|stell|heim|pflege|park|spiel|sport|therapie|liege|behandlungs|stoff|knorpel|mitral|aorten|becken|"
    r"faser|signal|messe|mess|sack|transport|fertigung|blo|dek|kask|gerinnung|bri|"
    r"super|bau|getranke|hals|rachen|speise|infekt|ubertrag|weiter|lebens|keines|halb|durch|rett|vor|nach|ab|laval|morel|tochter|"
    r"fern|an|ein|aus|kranken|bahn|friedhof|urin|gall|andning|led|kirchhof|bauern|innen|hinter|fried|wirtschafts|"
    r"epigastr|hypogastr|obstr|administr|registr|demonstr|konstr|rekonstr|menstr|illustr|magenstr|galle|fuss|rad|geh|"
    r"arz|eiter|fistel|bewegung|schmerz|instrument|ligat|delegat)",
    re.I,
)


def _compound(found: re.Match[str]) -> Span | None:
    """A street whose first part is no word of the body's ways and of every place."""
    start, end = found.span("it") if "it" in found.re.groupindex else found.span()
    word = found.string[start:end]
    return None if _NO_STREET.match(word) or ordinary(word) else (start, end)


# ------------------------------------------------------------------------------------------------------- English

_SURE = "rd ln ave blvd hwy fwy cres tce gdns pde cct hse road lane avenue street crescent terrace"
_UNSURE = "st dr pl ct cl sq av way walk gardens grove mews court place parade row rise hill close drive gr"
_UNITS = listed("""mm cm ml mg kg yo y yr yrs year years month months mo week weeks wk day days hr hrs hours min mins x
of by to in on and or the a an at per lead slice detector row channel view part chamber vessel level lobe phase point
series beat out mcg units degree degrees french fr gauge mhz hz hu percent times french hour view views""")
_HOUSE = r"(?<![\w./-])(?<!\d\s)\d{1,4}[a-z]?,?\s"
_SMALL_ENGLISH = (
    rf"{_HOUSE}(?P<words>(?:(?:[nsew]\.?\s)?[a-z][a-z'-]{{2,20}}\s){{1,3}}?){alternatives(_SURE)}(?!\w)|"
    rf"(?<!\w)(?:addr(?:ess)?|lives\s(?:at|on)|living\sat|resid\w{{1,4}}\sat|visit\sto|home\sat|of)\s?:?\s"
    rf"\d{{1,4}}[a-z]?,?\s(?P<more>(?:[a-z][a-z'-]{{2,20}}\s){{1,3}}?){alternatives(_UNSURE)}(?!\w)"
)


def _english(found: re.Match[str]) -> Span | None:
    said = (found["words"] or found["more"]).split()
    return None if said[0].lower() in _UNITS or all(harmless(word) for word in said) else found.span()


_ROADS = """hwy fwy highway freeway motorway expressway tollway turnpike flyover overpass underpass interchange
roundabout turn-off turnoff offramp off-ramp drive close crescent terrace grove gardens parade mews wharf cres
ave blvd"""
_ROAD = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z])[\w'.-]+(?:\s{CAPITAL}){{0,2}}\s(?:hwy|fwy|highway|freeway|motorway|expressway|"
    rf"tollway|turnpike|flyover|overpass|underpass|interchange|roundabout|turn-?off|off-?ramp)"
    rf"(?:\s(?:exit|junction)\s\w{{1,4}})?)(?!\w)|"
    rf"(?<!\w)(?:on|at|in|off|along|near|of|from|lives)\s(?P<other>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,2}}\s"
    rf"(?-i:Drive|Close|Crescent|Cres|Terrace|Grove|Gardens|Parade|Mews|Wharf|Ave|Blvd))(?!\w)"
)


def _road(found: re.Match[str]) -> Span | None:
    group = "it" if found["it"] else "other"
    said = re.findall(r"[A-Z][\w'-]{2,}", found[group])
    kinds = 0 if group == "it" else 1
    return found.span(group) if any(own(word, eponyms=True) for word in said[: len(said) - kinds]) else None


_EXIT = """exit ausfahrt anschlussstelle kreuz dreieck sortie uscita salida saida afrit zjazd avfart
avkjorsel casello rastplatz raststatte services"""
_CODE = r"(?-i:(?:[ABDEMNI]|AP|SP|SS|SR|US|BR|RN|RD|CA|DK|DW|RV|GR|SH|NH)[-\s]?\d{1,4})"
_CODED = (
    rf"(?<![\w-]){_CODE},?\s(?:(?:at|bei|an\sder|near|towards?|dir\.?|vers|direzione|n/?b|s/?b)\s)?(?:(?:(?:north|south|east|west)bound|"
    rf"(?:km|junction|jct)\s\d{{1,4}}[A-Za-z]?|{alternatives(_EXIT)}\s(?:{CAPITAL}|\d{{1,4}}[A-Za-z]?))|(?-i:J)\d{{1,2}}[AB]?)(?!\w)(?!\s?(?:mm|cm|zone|site))|"
    rf"(?<![\w-]){_CODE}\sat\sexit\s\d{{1,3}}|"
    rf"(?<!\w)(?:rtc|rta|mva|mvc|mvi|crash|accident|collision|vu|unfall|verkehrsunfall|avp|accidente|incidente|acidente|"
    rf"wypadek|ongeval|olycka|ulykke|rollover|pile-up|pileup|lorry|hgv)\s(?:on|auf\sder|sur\sl'?a?|sulla|en\sla|na|op\s"
    rf"de|pa|along)\s?(?:the\s)?(?P<it>{_CODE})(?![\w/])"
)


def _coded(found: re.Match[str]) -> Span | None:
    return found.span("it") if found["it"] else found.span()


# --------------------------------------------------------------------------------------------------------- addresses

_INDIAN = (
    rf"(?<!\w)(?:plot|flat|door|h\.?\s?no|house\sno)\.?\s?(?:no\.?\s?)?\#?\d{{1,4}}"
    rf"(?:[/-]\w{{1,4}}){{1,3}}(?:,\s(?:\d{{1,2}}(?:st|nd|rd|th)\s)?{CAPITAL}){{0,2}}|"
    rf"(?<!\w)\d{{1,2}}(?:st|nd|rd|th)\s(?-i:Cross|Main|A\sCross)(?:\s(?-i:Road|Rd|Street))?(?=[,.;]|$)|"
    rf"(?<!\w)(?-i:Road|Street|Gali|Lane)\s(?:no\.?)\s?\d{{1,3}}(?!\w)"
)
_SHORT = "st ave av rd ln dr blvd ct pl cres ter hwy pkwy sq street avenue road lane drive boulevard court way"
_BEHIND_STREET = (
    rf"(?<=[a-z]\s)(?-i:{alternatives(_SHORT.title())})\.?,?\s(?P<it>(?:\#|apt\.?|unit|suite|ste\.?|flat)\s?\d{{1,5}}[A-Za-z]?"
    rf"(?:,\s{CAPITAL}(?:\s{CAPITAL}){{0,2}})?)"
)
_DISTRICT = (
    rf"(?<![\w])(?:rua|calle|via|viale|avenida|avda?\.?|av\.|rue|ul\.|ulica|travessa|praca|plaza|piazza|alameda|estrada)\s"
    rf"[^\n;]{{3,45}}?,\s?(?:n[.o]{{0,2}}\s?)?\d{{1,5}}[A-Za-z]?(?:,|\s-)\s(?P<it>{CAPITAL}(?:\s(?:d[aeo]s?\s)?{CAPITAL})"
    rf"{{0,2}})"
)
_LABELLED = (
    r"(?<!\w)(?<!ip\s)(?<!mac\s)(?<!memory\s)(?<!base\s)addr(?:es)?\.?\s?:?\s(?=[^\n;]{0,20}[a-z]{3})"
    r"(?P<it>\d{1,4}[a-z]?,?\s[^\n;,]{3,50})"
)
_DIGIT = r"(?-i:[\dOoIlZSQ?\u0417\u0437])"
_SPOILT = (
    rf"(?-i:[A-Z]){{1,2}}{_DIGIT}{{1,2}}(?-i:[A-Z])?\s?{_DIGIT}(?-i:[A-Z?]){{2}}|(?=[OIl?\d]{{0,4}}\d){_DIGIT}{{5}}"
)
_CODES = "zip postcode postal post zipcode plz postleitzahl cap cep pin"
_OCR = (
    rf"(?<!\w)(?:zip|post\s?code|postal\scode|zip\s?code|plz)\b[^\n\d,;]{{0,24}}?[\s:]"
    rf"(?P<it>(?:{_SPOILT})(?:\s?\??\s(?:or|oder|/)\s(?:{_SPOILT}))?)(?![\w])"
)
_SPOKEN = """zero oh nought one two three four five six seven eight nine double null eins zwei zwo drei vier funf sechs
sieben acht neun cero uno dos tres cuatro cinco seis siete ocho nueve deux trois quatre cinq sept huit neuf een twee
drie vijf zes zeven acht negen"""
_IN_WORDS = (
    rf"(?<!\w)(?:zip|post\s?code|postal\scode|zip\s?code|plz|postleitzahl|code\spostal|codigo\spostal)\b"
    rf"[^\n;]{{0,20}}?\s(?P<it>{alternatives(_SPOKEN)}(?:[\s,-]{{1,2}}{alternatives(_SPOKEN)}){{3,6}})(?!\w)"
)
_FACILITY = """rehab rehabilitation nursing hospital clinic center centre ctr infirmary hospice home care manor lodge
physicians pharmacy surgery practice prison school college"""
_ZIP_BEHIND = (
    rf"(?P<name>(?-i:[A-Z])[\w'-]+)\s(?i:{alternatives(_FACILITY)}),\s(?P<it>\d{{4,5}})(?=[,.;)]|\s?$|\sfor\b)|"
    rf"(?<!\w)(?:in|at|from|of|near|out\sof)\s(?P<town>{CAPITAL}(?:\s{CAPITAL}){{0,2}}),?\s(?P<zip>\d{{5}})(?=[,.;)]|\s?$)"
)


def _zip(found: re.Match[str]) -> Span | None:
    if found["it"]:
        return found.span("it") if own(found["name"], eponyms=True) else None
    return found.span("zip") if all(own(word) for word in found["town"].split()) else None


RULES: tuple[Rule, ...] = (
    place_rule("street without number, its kind first", _STREET, _FIRST, named),
    place_rule("street in small letters, its kind first", _SMALL_STREET, _FIRST + " via", _small),
    place_rule(
        "street of a word of more meanings",
        _WEAK,
        "via largo corso place os pl al ul wohnt wohnhaft whft lebt adr",
        named,
    ),
    place_rule("street by its ending", _ENDING, "", _compound, signs=tuple(_ENDED.split()), reach=26),
    place_rule(
        "street by its ending behind a preposition",
        _ENDING_BEHIND,
        "im am an ecke vom zum in op aan pa i vid ved fra fran langs",
        _compound,
    ),
    place_rule(
        "street in small letters",
        _SMALL_ENGLISH,
        "addr address lives living resides residing visit home of",
        _english,
        numbers=True,
    ),
    place_rule("road without number", _ROAD, _ROADS + " turn off", _road, reach=50),
    place_rule(
        "road by its number",
        _CODED,
        "a b d e m n s i ap sp ss sr us br rn rd ca dk dw rv gr sh nh rtc rta mva mvc mvi crash accident "
        "collision vu unfall verkehrsunfall avp accidente incidente acidente wypadek ongeval olycka ulykke "
        "rollover pile pileup lorry hgv",
        _coded,
    ),
    place_rule("address, India", _INDIAN, "plot flat door h house road street gali lane", numbers=True),
    place_rule("flat and town behind a street", _BEHIND_STREET, _SHORT),
    place_rule(
        "district behind a street",
        _DISTRICT,
        "rua calle via viale avenida avda avd av rue ul ulica travessa praca plaza piazza alameda estrada",
    ),
    place_rule("address behind a short label", _LABELLED, "addr addres"),
    place_rule("postcode as a machine misread it", _OCR, _CODES),
    place_rule("postcode in words", _IN_WORDS, _CODES + " code codigo"),
    place_rule("post box, misspelt", r"(?<!\w)p\.?\s?[o0]\.?\s?b[o0]?x\.?\s?(?P<it>\#?\d{1,6})", "p po"),
    place_rule("ZIP behind a town or a house", _ZIP_BEHIND, "", _zip, numbers=True, reach=60),
)
