"""Places by what stands in their names, and what sends somebody from there: a fire brigade, a lake, an emergency
room."""

from __future__ import annotations

import re

from unveil.gate.places import CAPITAL, NAME, TAIL, department, housed, known, own, place_rule, town
from unveil.gate.rule import Rule, Span, alternatives
from unveil.gate.words import harmless

# --------------------------------------------------------------------------------------------------- kind, then name

_SERVICES = """bergwacht feuerwehr rettungswache polizei_inspektion fa firma pompiers smur samu sdis maison_de_sante
gendarmerie phc chc ditta distt dist teh tehsil taluka taluk tal mandal vill village slagerij bakkerij garage
cruise_ship
usf vardcentralen vardcentral barnehage barneskole forskola okulu metro_de estacion_de_metro centro_de_salud
punkt_przyjec przychodnia przychodni poradnia szpital szpitala szpitalu szkola szkole sor bewohner bewohnerin
heimbewohner
haus_am haus_an_der seniorenheim_am pile_up_at lighthouse warehouse"""
_SERVICE = (
    rf"(?<![\w/-]){alternatives(_SERVICES)}\.?\s(?:nr\s\d{{1,3}}\s)?(?:w|we|z|im\.|in|i|de|du|des|d'|di|at|of)?\s?"
    rf"(?P<it>{NAME}{TAIL})"
)
_WATER = (
    rf"(?<![\w-])(?-i:River|Lake|Loch|Lough|Mount|Mt\.?|Lac|Lago|Rio|Monte|Pico|Gulf\sof|Bay\sof|Strait\sof|Cape|"
    rf"Cabo|Puerto|Porto|Playa|Praia|Sierra|Serra|Glen|Strath|Ynys|Llyn|Isle\sof|Ile\sde|Isola\sdi|Gora|Jezioro)\s"
    rf"(?P<it>(?:de\sla|del|de|da|do|di)?\s?{CAPITAL}(?:\s{CAPITAL})?)"
)

# --------------------------------------------------------------------------------------------------- name, then kind

_ROOM = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z][a-z])[\w'-]{{2,}}(?:\s{CAPITAL})?)\s(?-i:ED|A&E|ER\s(?:to|sent|called)|Base|GH|DGH|"
    rf"LRT|MTR|Town\sHall|Circus)(?=[,.;:]|\s?$|\s(?-i:[a-z]|Hosp))"
)


def _room(found: re.Match[str]) -> Span | None:
    """A town or house whose emergency room it is; what is no word of medicine, of makers or of departments."""
    said = re.findall(r"[A-Z][\w'-]+", found["it"])
    return found.span() if all(own(word) and not department(word) for word in said) else None


# ----------------------------------------------------------------------------------------------------------- endings

#: What towns' names end with where German, English, French and Polish are spoken.
_GERMAN = (
    r"(?<!\w)(?:in|aus|bei|hohe|raum|nahe|richtung|am|unfall|\w{2,10}unfall)\s(?P<it>(?-i:[A-Z][a-z])[a-z]{1,20}"
    r"(?:dorf|hausen|hofen|kirchen|stetten|weiler|kogel|brunn|munster|burg|berg|heim|stadt|bach|furt|walde|joch|alm|"
    r"bruck|zell|ried|egg|rode|leben))(?![\w-])"
)
_NO_TOWN = re.compile(
    r"(?:pflege|alten|alters|wohn|kinder|senior|ge|da|jugend|tier|feier|innen|alt|haupt|klein|gross|heimat|insel|aufent|"
    r"vordem|hinter|unter|vater|zuhause|eisen|blut|mutter|harn|nieren|augen|gesichts|cornu|vorder|seiten|einhorn|nash|"
    r"hem|krank|hub|sauer|ab\w?furt|doppel|ham|held|virch|recklin|sternb|steinb|rosenb|bamb)",
    re.I,
)
_ENGLISH = (
    r"(?<![\w-])(?P<it>(?-i:[A-Z][a-z]{2,14}(?:thorpe|combe|minster|caster|borough|brough|hampton|shire|thwaite|hurst|bury|"
    r"mouth|kirk|holme|ville)))(?![\w-])"
)
_ENDS = "thorpe combe minster caster borough brough hampton shire thwaite hurst bury mouth kirk holme ville"


def _german(found: re.Match[str]) -> Span | None:
    word = found["it"]
    return None if _NO_TOWN.match(word) or harmless(word) or known(word) else town(found)


# ----------------------------------------------------------------------------------------------------------- the rest

_TURKISH = (
    r"(?<!\w)(?P<it>(?-i:[A-Z])\w{2,}(?:\s(?-i:[A-Z])\w+){0,2})'n?[dt][ae]n?\s(?:\w+\s)?(?:otur\w+|yasi\w+|geld\w+|gelen|"
    r"sevk\w*|nakil|ikamet\w*|calis\w+|dogumlu|dogdu|getiril\w+|duss?\w+)"
)
_ROAD_TOWN = (
    rf"(?<!\w)(?-i:[ABDEMNS])-?\d{{1,4}},?\s(?:bei|ved|vid|near|k\.|hohe|kolo|pres\sde|vicino\sa|cerca\sde|bij|w|at|between|"
    rf"outside)\s(?P<it>{CAPITAL}(?:\s{CAPITAL})?)"
)
_ROAD = (
    r"(?<!\w)(?:rtc|mva|mvc|avp|\w{0,12}unfall|vu|crash|accident|incidente|accidente|acidente|wypadek|ongeval|ulykke|olycka)\s"
    r"(?P<it>(?-i:[ABDEM])-?\d{2,4})(?=[,;]|\s?$)"
)
_TEAM = (
    rf"(?<!\w)(?:plays|played|signed|striker|goalkeeper|rides|rows|swims)\s(?:football\s|rugby\s|cricket\s)?for\s(?:the\s)?"
    rf"(?P<it>{CAPITAL}(?:\s{CAPITAL}){{0,2}})"
)

RULES: tuple[Rule, ...] = (
    place_rule("service or firm, its kind first", _SERVICE, _SERVICES, housed),
    place_rule(
        "water or mountain",
        _WATER,
        """river lake loch lough mount mt lac lago rio monte pico gulf bay strait cape cabo puerto porto playa praia
sierra serra glen strath ynys llyn isle ile isola gora jezioro""",
        town,
    ),
    place_rule("emergency room of a town", _ROOM, "ed a er base gh dgh lrt mtr town circus", _room, reach=40),
    place_rule(
        "town by its ending, German",
        _GERMAN,
        "in aus bei hohe raum nahe richtung am",
        _german,
        signs=("unfall",),
        reach=10,
    ),
    place_rule("town by its ending, English", _ENGLISH, "", town, signs=tuple(_ENDS.split()), reach=16),
    place_rule("town by its case, Turkish", _TURKISH, "", signs=("'d", "'t", "'nd"), reach=30),
    place_rule("town beside a road", _ROAD_TOWN, "a b d e m n s", town),
    place_rule(
        "road of an accident",
        _ROAD,
        "rtc mva mvc avp vu crash accident incidente accidente acidente wypadek ongeval ulykke olycka",
        signs=("unfall",),
        reach=12,
    ),
    place_rule("team", _TEAM, "plays played signed striker goalkeeper rides rows swims", town),
)
