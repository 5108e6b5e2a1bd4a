"""Wards, homes, prisons, barracks, ships and whatever else has people in it and a name of its own; who works where."""

from __future__ import annotations

import re

from unveil.gate.places import CAPITAL, NAME, TAIL, department, housed, named, own, place_rule
from unveil.gate.rule import Rule, Span, alternatives

# ------------------------------------------------------------------------------------------------------------- wards

_WARDS = """afd afdeling reparto padiglione pavillon pabellon pavilhao avdelning avd avdeling oddzial oddziale
oddzialu osasto servisi pflegestation wohnbereich wohngruppe station enfermaria"""
_WARD_FIRST = rf"(?<![\w-]){alternatives(_WARDS)}\.?\s(?P<it>{NAME})(?![\w-])"
_WARD_LAST = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,2}}\s(?:ward|suite))"
    rf"(?!\w)|(?<!\w)(?:on|to|from|at|in|of)\s(?:the\s)?(?P<unit>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,1}}\s(?-i:Unit|[Ww]ing|[Pp]avilion|Annexe?|Lounge|Bay))(?!\w)"
)
_FLOOR = (
    rf"(?<![\w-])(?P<it>{CAPITAL}(?:\s{CAPITAL}){{0,2}}\s\d{{1,2}}\s(?-i:North|South|East|West|Center|Centre))(?!\w)|"
    rf"(?<!\w)(?:on|to|from|ward|unit|floor)\s(?P<bare>\d{{1,2}}\s?(?-i:North|South|East|West)(?:\s(?-i:[A-D]))?)(?!\w)"
)
_WARD_CODE = (
    rf"(?<![\w/-])(?P<it>(?-i:[A-Z])\d{{1,3}}),?\s(?=(?-i:St\.?|Saint)\s(?-i:[A-Z])|(?:{CAPITAL}\s){{1,3}}(?:hospital|"
    rf"infirmary|general|clinic)\b)|(?<!\w)ward\s(?P<bare>(?-i:[A-Z])\d{{1,3}})(?![\w/])"
)


def _ward(found: re.Match[str]) -> Span | None:
    """A ward with a name that tells of no department."""
    group = "it" if found["it"] else "unit"
    said = re.findall(r"[\w'-]{2,}", found[group])[:-1]
    return found.span(group) if own(said[-1]) and not any(department(word) for word in said) else None


def _floor(found: re.Match[str]) -> Span | None:
    if found["it"]:
        said = list(re.findall(r"[A-Z][\w'-]+", found["it"])[:-1])
        return found.span("it") if any(own(word) for word in said) else None
    return found.span("bare")


def _code(found: re.Match[str]) -> Span:
    return found.span("it") if found["it"] else found.span("bare")


# ------------------------------------------------------------------------------------------------------------- homes

#: Houses of which a name follows, in ten languages and more.
_HOMES = """seniorenheim seniorenhaus seniorenresidenz seniorenzentrum residenz altenheim altersheim pflegeheim
pflegezentrum pflegehaus wohnpark wohnstift kurzzeitpflege tagespflege hospiz kinderheim jugendheim internat
gasthof gasthaus wirtshaus kloster abtei kaserne gefangnis schloss burg
ehpad usld esat foyer_logement residence maison_d'accueil maison_de_repos prison centre_penitentiaire
maison_d'arret monastere abbaye couvent caserne auberge
rsa casa_di_riposo casa_protetta casa_famiglia casa_circondariale carcere carcere_di caserma monastero convento osteria
trattoria albergo rifugio detenuto_a detenuto_nel
residencia residencia_de_mayores residencia_de_ancianos geriatrico hogar hogar_de_ancianos carcel centro_penitenciario
prision preso_en cuartel monasterio albergue
lar lar_de_idosos lar_de_terceira_idade casa_de_repouso casa_de_saude presidio penitenciaria quartel mosteiro pousada
verpleeghuis verzorgingshuis verzorgingstehuis woonzorgcentrum wzc zorgcentrum woonvorm klooster kazerne gevangenis
penitentiaire_inrichting
dps zol dom_opieki dom_pomocy_spolecznej dom_seniora dom_dziecka zaklad_karny klasztor
aldreboende aldreboendet sarskilt_boende sarskilda_boendet boende boendet gruppboende gruppboendet sjukhem sjukhemmet
omsorgsboende anstalten
sykehjem sykehjemmet aldershjem bofellesskap omsorgssenter plejehjem plejehjemmet plejecenter plejecentret bosted
hoitokoti palvelutalo vanhainkoti huzurevi bakimevi cezaevi domov domov_seniorov domov_pro_seniory idosek_otthona
camin_de_batrani
barracks hostel refuge shelter hmp hmyoi jva skola skolan skole szkola szkole gymnasium grundschule realschule lycee
college ecole colegio instituto ies ceip liceo scuola escola basisschool"""
_HOME_FIRST = rf"(?<![\w-]){alternatives(_HOMES)}\s(?P<it>[\"']?{NAME}{TAIL})"
#: "im Haus Lindenruh": every noun of German has a capital, so that it has to end there.
_HOUSE = (
    rf"(?<!\w)(?:im|ins|aus\sdem|aus|vom|zum|haus-?nr\.?|lebt\sim)\shaus\s(?P<it>(?-i:[A-Z][a-z])[a-z]{{4,}}(?:\s(?:am|an\sder|im)"
    rf"\s{CAPITAL})?(?:\sin\s{CAPITAL})?)(?=[,.;:)]|\s?$|\s(?:gest|verl|aufg|zu\b|mit\b|wegen|nach))"
)
_LAST = """residential_home mountain_rescue legevakt walk-in walk_in med_ctr medical_ctr health_ctr urgent_care
urgentcare
day_centre day_center care_home care_centre nursing_home rest_home hostel assisted_living memory_care retirement_village
convalescent aldreboende sykehjem sjukehjem plejehjem plejecenter sjukhem omsorgssenter servicehus vardcentral
vardhem huzurevi bakimevi hoitokoti sundhedscenter legesenter legekontor gyogyintezet family_practice dental_practice
health_clinic med_center primary_school high_school grammar_school secondary_school detention_centre jail penitentiary
prison barracks"""
_LAST_CAPITAL = """Rehab Rehabilitation Nursing Ctr Dental Abbey Priory Convent Monastery Minster Cathedral Workhouse
Academy Primary Comprehensive Nursery Preschool Infants Juniors Town_Hall Steelworks Ironworks Colliery YOI IRC
Gymnasium Lisesi Ilkokulu Correctional Almshouses"""
_HOME_LAST = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,3}}?\s(?:{alternatives(_LAST)}|(?-i:{alternatives(_LAST_CAPITAL)})))(?:\w{{2,4}})?(?!\w)|"
    rf"(?<![\w-])(?P<court>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,1}}\s(?-i:Court|House|Lodge|Grange|Manor|Hall|Towers|"
    rf"Gardens|Heights|Cottage|Mews|Gables|Meadows)),\s(?:assisted|sheltered|warden|care|nursing|supported|retirement|"
    rf"residential)"
)


def _last(found: re.Match[str]) -> Span | None:
    """A house with a name that its kind follows; the name is none of a department."""
    group = "it" if found["it"] else "court"
    said = re.findall(r"[\w'-]{2,}", found[group])
    good = own(said[0]) and not department(said[0])
    return found.span(group) if good or (len(said) > 3 and own(said[1]) and not department(said[1])) else None


# ----------------------------------------------------------------------------------------------------------- soldiers

_UNIT = """battalion bn brigade regiment regt platoon squadron sqn infantry cavalry marines commando airborne artillery
panzerbataillon bataillon"""
_SOLDIERS = (
    r"(?<![\w/.-])\d{1,4}(?:st|nd|rd|th|d)\s(?:(?-i:[A-Z])\w+\s){0,2}(?:battalion|bn|brigade|regiment|regt|platoon|squadron|"
    r"sqn|infantry|cavalry|marines|commando|airborne|artillery|(?:infantry|armou?red|mountain|marine)\sdivision)(?!\w)|"
    r"(?<![\w-])(?-i:[B-HJ-Z]|Alpha|Bravo|Charlie|Delta|Echo|Foxtrot)\s(?:company|coy|battery|troop|squadron|sqn)"
    r"(?=[,;.]|\s?$|\s\d|\sof\b)|(?<![\w-])(?-i:A\s[Cc]ompany)(?=,?\s\d)|"
    r"(?<![\w/.-])\d{1,3}\.?/?\s?(?-i:[A-Z])?[a-z]*(?:bataillon|brigade|regiment|geschwader|kompanie)(?:\s\d{1,4})?(?!\w)|"
    r"(?<![\w/.-])\d{1,2}\s(?-i:RIFLES|SCOTS|YORKS|MERCIAN|LANCS|WELSH|RIRISH|PPCLI)(?!\w)|"
    r"(?<![\w/.-])\d{1,3}e(?:me)?\s(?-i:RIMa|RPIMa|BCA|REP|REI|regiment)(?!\w)"
)
_CAMP = rf"(?<![\w-])(?-i:Fort|Camp|Ft\.|RAF|RNAS|Naval\sStation|Air\sBase)\s(?P<it>{CAPITAL}(?:\s{CAPITAL})?)"
_SHIP = (
    rf"(?<![\w-])(?P<it>(?-i:HMS|USS|HMAS|HMNZS|HMCS|INS|USNS|M/V|F/V|M/S|S/Y|MSC)\s{CAPITAL}(?:\s{CAPITAL}){{0,2}})|"
    rf"(?<!\w)(?:(?:deckhand|sailor|seaman|crew|crewman|engineer|passenger|steward|captain|mate|bosun|cook|stoker|worker|"
    rf"fisherman|aboard|onboard)\s(?:on|off|of|from|aboard)?|aboard|onboard|ship|vessel|ferry|trawler|tanker|liner|barge|steamer|yacht|schiff|bateau|"
    rf"barco|nave|navio|schip|statek|fartyg)\s(?:the\s)?(?P<context>(?-i:MV|MS|SS|RV|FV|MT|MY|SY|RMS|TSS)\s{CAPITAL}(?:\s"
    rf"{CAPITAL}){{0,2}}|[\"'](?-i:[A-Z])[\w '-]{{2,30}}[\"'])"
)


def _ship(found: re.Match[str]) -> Span | None:
    group = "it" if found["it"] else "context"
    said = re.findall(r"[A-Z][a-z][\w'-]*", found[group])
    return found.span(group) if said and any(own(word, eponyms=True) for word in said) else None


# -------------------------------------------------------------------------------------------------------------- work

_WORKS = """works working worked employed job arbeitet arbeite beschaftigt angestellt mitarbeiter mitarbeiterin
travaille employe employee salarie salariee ouvrier ouvriere lavora impiegato impiegata operaio operaia dipendente
trabaja empleado empleada obrero obrera trabalha funcionario funcionaria empregado empregada werkt werkzaam pracuje
zatrudniony zatrudniona jobbar arbetar jobber arbejder ansatt anstalld ansat"""
_AT = (
    r"in|at|for|bei|beim|im|chez|pour|a|au|aux|presso|alla|al|da|dall'|nella|nel|per|en|para|na|no|em|bij|"
    r"voor|op|w|we|dla|pa|hos|i|vid|ved|(?<!trabaja\s)(?<!travaille\s)de|von|der|of"
)
_TRADES = (
    r"(?:(?:the|der|die|la|le|el|l'|un|una|a|o|de|het|den|ett|family)\s?)?(?:(?:bakery|butchery|cafe|bar|pub|restaurant|"
    r"hotel|shop|salon|garage|factory|foundry|mill|yard|farm|school|nursery|dairy|brewery|canteen|laundry|warehouse|office|"
    r"firm|company|store|firma|backerei|metzgerei|werk|restaurante|panaderia|tienda|fabrica|taller|empresa|padaria|loja|"
    r"oficina|ditta|azienda|fabbrica|bar|ristorante|panificio|negozio|boulangerie|usine|entreprise|societe|garage|magasin|"
    r"bakkerij|winkel|fabriek|bedrijf|restauracji|piekarni|sklepie|fabryce|firmie|zakladzie|bageri|bageriet|butik|"
    r"butiken|fabrik|fabriken)\s){0,2}"
)
_WORK = (
    rf"(?<!\w){alternatives(_WORKS)}\s(?:{_AT})(?:\s|(?<='))(?:all'|dall'|nell')?{_TRADES}(?P<it>{NAME}{TAIL})|"
    rf"(?<!\w)(?P<other>(?-i:[A-Z])[\w-]{{3,}})'[dt][ae]\s(?:calisiyor|calismakta)"
)
_NOT_WORK = re.compile(
    r"(?:bedarf|nacht|tag|schicht|hohe|sitz|steh|liege|buro|lager|bau|haushalt|garten|verwaltung|handel|handwerk|service|"
    r"dienst|industr|construct|retail|bureau|zorg|usine|ufficio|oficina|bakery|bloku|health|office|it\b|hr\b|school|night|home|full|part)",
    re.I,
)


def _work(found: re.Match[str]) -> Span | None:
    group = "it" if found["it"] else "other"
    said = re.findall(r"[A-Z][\w'-]{2,}", found[group])
    good = said and own(said[0], eponyms=False) and not _NOT_WORK.match(said[0]) and not department(said[0])
    return found.span(group) if good or (len(said) > 1 and any(own(word) for word in said[1:])) else None


_ROLES = """barman barmaid landlord landlady chef cook waiter waitress bouncer doorman owner caretaker groundsman
headmaster headmistress headteacher principal vicar rector imam rabbi curate parson priest bishop abbot abbess
prioress mayor mayoress sheriff alderman councillor councilman provost reeve stationmaster harbourmaster curator
governor duke duchess earl baron baroness laird senator goalkeeper captain coach striker manager
burgermeister burgermeisterin ortsvorsteher pfarrer maire adjoint alcalde alcaldesa parroco
sindaco sindaca prefeito prefeita vereador burgemeester wethouder pastoor burmistrz wojt soltys proboszcz borgmester
ordforer kommunalrad kyrkoherde"""
_ROLE = (
    rf"(?<![\w-]){alternatives(_ROLES)}\s(?:of|at|for|in|von|vom|der|de|du|des|d'|del|della|di|do|da|van|te|i|w|av|af)\s?"
    rf"(?:the\s)?(?P<it>{NAME})"
)


def _role(found: re.Match[str]) -> Span | None:
    said = re.findall(r"[A-Z][\w'-]{2,}", found["it"])
    two = len(said) > 1 and not any(department(word) for word in said)
    return found.span("it") if two or any(own(word) for word in said) else None


_PUB = (
    r"(?<!\w)(?:at|outside|in|opposite|near|behind|from|by|of)\s(?:the)\s(?P<it>(?-i:[A-Z][a-z]+\s(?:and|&|\+)\s[A-Z][a-z]+)"
    r"(?:\s(?:inn|pub|hotel))?)(?![\w])"
)


def _pub(found: re.Match[str]) -> Span | None:
    one, two = re.findall(r"[A-Z][a-z]+", found["it"])[:2]
    good = own(one) and own(two)
    behind = re.match(
        r"\s(?:class|crit|grad|scor|syst|meth|type|test|sign|trial|study|view)", found.string[found.end() :]
    )
    return found.span("it") if good and not behind and not department(one) else None


RULES: tuple[Rule, ...] = (
    place_rule("ward, its kind first", _WARD_FIRST, _WARDS, housed),
    place_rule(
        "ward with a name", _WARD_LAST, "ward suite wing pavilion annex annexe lounge unit bay", _ward, reach=50
    ),
    place_rule("ward by floor and side", _FLOOR, "north south east west center centre", _floor, reach=40),
    place_rule("ward by its code", _WARD_CODE, "ward", _code, numbers=True, reach=1),
    place_rule("home, prison or school, its kind first", _HOME_FIRST, _HOMES, housed),
    place_rule("house with a name, German", _HOUSE, "im ins aus vom zum lebt haus", named),
    place_rule(
        "home or school, its kind last",
        _HOME_LAST,
        _LAST + _LAST_CAPITAL + " court house lodge grange manor hall towers gardens "
        "heights cottage mews gables meadows",
        _last,
        signs=("aldreboende", "huzurev"),
        reach=60,
    ),
    place_rule(
        "soldiers' unit", _SOLDIERS, _UNIT + " b c d e f g h alpha bravo charlie delta echo foxtrot a", numbers=True
    ),
    place_rule("camp", _CAMP, "fort camp ft raf rnas naval air", named),
    place_rule(
        "ship",
        _SHIP,
        "hms uss hmas hmnzs hmcs ins usns m f s msc deckhand sailor seaman crew crewman engineer passenger "
        "steward captain "
        "mate bosun cook stoker worker fisherman aboard onboard ship vessel ferry "
        "trawler tanker liner barge steamer yacht schiff bateau barco nave navio schip statek fartyg",
        _ship,
    ),
    place_rule("who works where", _WORK, _WORKS, _work),
    place_rule("where works, Turkish", _WORK, "", _work, signs=("calis",), reach=30),
    place_rule("who is what where", _ROLE, _ROLES, _role),
    place_rule("inn of two things", _PUB, "at outside in opposite near behind from by of", _pub),
)
