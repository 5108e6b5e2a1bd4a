"""Villages, quarters, landmarks and stations: behind their kind in many languages, behind a point of the compass, an
accident's "at", an arrow from there to here."""

from __future__ import annotations

import re

from unveil.gate.places import CAPITAL, NAME, TAIL, department, housed, known, own, place_rule, town
from unveil.gate.rule import Rule, Span, alternatives
from unveil.gate.words import harmless, listed

# --------------------------------------------------------------------------------------------------- kind, then name

#: Parts of the land and of a town.
_LAND = """morro favela comunidade bairro vila conjunto_habitacional povoado fazenda chacara aldeia freguesia
concelho barrio aldea caserio pedania cortijo finca urbanizacion pueblo parroquia ejido rancho villa vereda partido_de
borgo borgata rione quartiere contrada frazione localita masseria isola lieu-dit lieudit hameau quartier
bourg village canton ile weiler dorf ortschaft gemeinde siedlung ortsteil stadtteil insel dorp gehucht
wijk buurt deelgemeente eiland wsi wies gmina gminy gminie powiat powiatu powiecie miejscowosc miejscowosci osada
przysiolek osiedle wyspa vesnice vesnici obec obce okres okrese mesto meste byn orten socken kommun stadsdelen bygda
grenda landsby oen saari kyla falu kozseg comuna satul orasul selo kampung desa dusun kelurahan mohalla nagar
barangay brgy sitio mouza gaon hamlet isle borough parish diocese reservation suburb island townland port_of county
zam zam. zamieszkaly zamieszkala pochodzi_z"""
#: Houses and works of everybody, stations among them.
_MARKS = """bahnhof hauptbahnhof s-bahnhof u-bahnhof haltestelle flughafen freibad hallenbad schwimmbad stadion
sporthalle turnhalle supermarkt einkaufszentrum biergarten gaststatte restaurant cafe hotel campingplatz
skigebiet talstation bergstation
gare aeroport arret_de_bus stade_de pont_de plage_de marche_de piscine centre_commercial hotel camping
stazione stazione_di fermata aeroporto stadio spiaggia_di spiaggia ponte_di mercato_di piscina_di centro_commerciale
estacion estacion_de aeropuerto_de estadio playa_de playa puente_de mercado_de mercado centro_comercial embalse_de
estacao estacao_de aeroporto_de estadio praia_de praia_do praia_da ponte_de feira_de rodoviaria igreja_de igreja
tramhalte bushalte metrohalte treinstation vliegveld luchthaven stadion zwembad strand_van camping
dworzec dworcu dworca stacja stacji przystanek przystanku lotnisko lotnisku stadion stadionie moscie jezioro
jeziorem kosciola kosciele parku
hallplatsen hallplats stationen torget badplatsen tunnelbanestation flygplatsen holdeplassen stoppested
havn stadion istasyonu otogari"""
_KIND = rf"(?<![\w-])(?P<kind>{alternatives(_LAND)}|{alternatives(_MARKS)})\s(?P<it>[\"']?{NAME}{TAIL})"

_GENERIC = listed("""ohne mit und der die das im am vor nach bei gegen wegen sowie unter rue zentrum mitte stadt
sud nord
west ost central centrale centro centre""")


def _kind(found: re.Match[str]) -> Span | None:
    """A name behind its kind, as ``housed`` has it, that begins with no word of every sentence."""
    first = re.findall(r"[A-Z][\w'-]+", found["it"])[0].lower()
    return None if first in _GENERIC else housed(found)


_COMPOUND = (
    r"(?<!\w)(?:am|vom|im|zum|beim|auf\sdem|auf\sder|an\sder|von\sder|vor\sdem|ab)\s(?P<it>(?-i:[A-Z])[a-z-]{2,24}"
    r"(?:bahnhof|flughafen|brucke|stadion|freibad|hallenbad|therme|hutte|schloss|friedhof|kaserne|bhf))(?!\w)|"
    r"(?<!\w)(?-i:Hbf|Hauptbahnhof)(?!\w)"
)

# --------------------------------------------------------------------------------------------------- name, then kind

_BEHIND = """koyu koyunden koyunde ilcesi ilcesinde ilcesinden beldesi beldesinden kasabasi kasabasindan mahallesi
mahallesinde yaylasi mezrasi sokak sokakta sokagi sokaginda caddesi caddesinde cad mah hastanesi hastanesinden otogari
istasyonu parki kommun socken kommune landsby koping kunta kylassa kozseg varos megye side flats diner cafe pub inn
tavern pizzeria bakery deli supermarket mall cinema library museum zoo nightclub casino hotel motel hostel campsite
caravan_park holiday_park marina pier lido racecourse raceway speedway velodrome rink beach cove creek canyon gorge loch
reservoir woods moor golf_club leisure_centre community_centre garden_centre retail_park services halt station heliport
airfield aerodrome ferry docks wharf marsh ranch homestead mission pueblo hacienda estate cross crossing crossroads
abbey cathedral shrine temple mosque synagogue gurdwara stadium arena showground fairground common bridge county
township parish arms bakehouse brewery distillery sawmill abattoir foundry shipyard"""
_AFTER = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z][a-z])[\w'-]+(?:\s(?:(?:and|of|the)\s)?{CAPITAL}){{0,3}}?)(?:'?n?[dt]?[ae]n?)?\s"
    rf"(?P<kind>{alternatives(_BEHIND)})(?![\w-])"
)
#: Kinds that are also words of medicine: with a capital alone, and behind a preposition.
_DOUBLE = listed(
    "cross crossing bridge pier beach inn station services mission temple shrine common halt cad mah side pub"
)
_BODY = re.compile(
    r"(?:(?:hoyre|venstre|hojre|hoger|vanster|rechter|linker|affiserte|samme|begge|maltese|maryland|roman)$|.*(?:al|ic|ar|ous|ent|ed|ing|oid|er|ine|an|ary|ory)|left|right)$",
    re.I,
)


def _after(found: re.Match[str]) -> Span | None:
    """A name before its kind, whose first word nobody knows."""
    said = re.findall(r"[\w'-]{3,}", found["it"])
    if not said or department(said[0]) or not any(own(word) for word in said):
        return None
    if found["kind"].lower() in _DOUBLE:
        behind = re.search(
            r"(?:\b(?:at|from|in|near|the|to|on|outside|of|and)|[,(])\s$", found.string[: found.start()][-9:]
        )
        first = found.start() == 0 and found["kind"] == "side"
        if not behind and not first and found["kind"][0].islower():
            return None
        if not own(said[-1]) or _BODY.match(said[-1]):
            return None
    return found.span()


# ---------------------------------------------------------------------------------------------------------- behind it

_COMPASS = """north south east west northeast northwest southeast southwest nordlich sudlich ostlich westlich nord sud
est ouest norte sur sul oeste este leste noord zuid oost west ten_noorden ten_zuiden polnoc poludnie km miles mi mins
kms kilometres kilometers nahe nearby close niedaleko kolo pod near outside cerca vicino perto pres proximite vlakbij
nara naer utanfor udenfor"""
_NEAR = (
    rf"(?<![\w-])(?:(?:north|south|east|west|north-?east|north-?west|south-?east|south-?west|outside|out|inland|upriver|"
    rf"downriver)\sof|(?:\d{{1,3}}\s?(?:km|kms|miles|mi|mins?|minutes))\s(?:(?:north|south|east|west|out|away|drive|n|s|e|w)\s)?"
    rf"(?:of|from|outside|von|de|da|di|van|od|fran|fra)|(?:nord|sud|ost|west)lich\svon|au\s(?:nord|sud)\sde|al\s(?:norte|"
    rf"sur|este|oeste)\sde|a\s(?:nord|sud|est|ovest)\sdi|ten\s(?:noorden|zuiden|oosten|westen)\svan|na\s(?:polnoc|poludnie)"
    rf"\sod|in\sder\snahe\svon|pres\sde|aux\senvirons\sde|cerca\sde|vicino\sa|nei\spressi\sdi|dintorni\sdi|perto\sde|"
    rf"vlakbij|in\sde\sbuurt\svan|niedaleko|kolo|i\snarheten\sav|i\snaerheden\saf|utanfor|udenfor|utenfor|nara|"
    rf"suburbs\sof|outskirts\sof|oblasti|okolicy)\s(?P<it>{CAPITAL}(?:[\s-]{CAPITAL}){{0,2}})"
)
_NEAR_WORDS = (
    _COMPASS
    + """ northlich ostlich inland upriver downriver au al a na in aux nei dintorni i suburbs outskirts
oblasti okolicy utenfor k out ten de"""
)

_TRANSFER = (
    rf"(?<!\w)(?:tfr|tfrd|tfer|trf|trfd|xfer|xfr|transfer|transferred|trans|retrieved|retrieval|iht|biba|bibp|hems|rfds|"
    rf"medevac|medivac|casevac|repatriated|repat|verlegt|verlegung|zuverlegt|zuverlegung|ubernahme|ubernommen|transfere|"
    rf"rapatrie|trasferito|trasferita|trasferimento|traslado|trasladado|transferencia|overgeplaatst|overplaatsing|"
    rf"przeniesiony|overford|overfort|overflyttet|remitterad)\s(?:in\s|over\s|here\s)?(?:from|ex|fr|frm|f/|out\sof|aus|"
    rf"von|vom|de|du|da|dal|dalla|do|desde|vanuit|uit|z|ze|fra|fran)\s(?:the\s)?(?P<it>{CAPITAL}(?:[\s-]{CAPITAL}){{0,2}})"
)
_TRANSFER_WORDS = """tfr tfrd tfer trf trfd xfer xfr transfer transferred trans retrieved retrieval iht biba bibp hems
rfds medevac medivac casevac repatriated repat verlegt verlegung zuverlegt zuverlegung ubernahme ubernommen transfere
rapatrie trasferito trasferita trasferimento traslado trasladado transferencia overgeplaatst overplaatsing przeniesiony
overford overfort overflyttet remitterad"""


def _transfer(found: re.Match[str]) -> Span | None:
    said = re.findall(r"[A-Z][\w'-]+", found["it"])
    return (
        found.span("it")
        if own(said[0], eponyms=True, least=4) and not known(said[0]) and not department(said[0])
        else None
    )


_ARROW = (
    rf"(?<![\w.>-])(?P<it>{CAPITAL}(?:\s{CAPITAL}){{0,2}})\s?(?:->|-{{0,2}}>|=>|\u2192|\u21d2|\u00bb)\s?(?:(?-i:us)|here|our|"
    rf"this|base)(?!\w)"
)


def _arrow(found: re.Match[str]) -> Span | None:
    said = found["it"].split()
    return found.span("it") if any(own(word) for word in said) and not department(said[0]) else None


_BETWEEN = (
    rf"(?<!\w)(?:between|zwischen|entre|tra|fra|tussen|miedzy|mellan|mellem|mellom)\s(?P<it>{CAPITAL}(?:\s{CAPITAL}){{0,1}}\s"
    rf"(?:and|und|et|y|e|en|a|och|og|&)\s{CAPITAL}(?:\s{CAPITAL}){{0,1}})"
)
_ACCIDENT = re.compile(
    r"(?<!\w)(?:rtc|rta|mva|mvc|mvi|crash\w*|accident\w*|collision|rollover|road|train|bus|motorway|highway|fwy|hwy|"
    r"driv\w+|walk\w+|cycl\w+|unfall|vu|avp|incidente|ongeval|wypadek|olycka|strecke|autobahn|strasse|trail|ferry|river|"
    r"fell|found|sturz)(?!\w)",
    re.I,
)


def _between(found: re.Match[str]) -> Span | None:
    """Between two towns, where somebody had an accident."""
    near = found.string[max(0, found.start() - 60) : found.end() + 40]
    said = re.findall(r"[A-Z][\w'-]+", found["it"])
    good = _ACCIDENT.search(near) and own(said[0], least=4) and own(said[-1], least=4)
    return found.span("it") if good else None


_FALLS = """caduto caduta investito investita trovato trovata incidente tamponamento aggressione caida cayo
atropello atropellado atropellada accidente encontrado encontrada agresion cogida cornada caiu queda atropelado
atropelada acidente colisao encontrado encontrada baleado baleada esfaqueado agredido chute tombe tombee accident avp
agression renverse renversee trouve trouvee malaise gevallen val ongeval aangereden gevonden foll ramlade faldt falt
olycka ulykke upadek upadl upadla wypadek potracony potracona znaleziony znaleziona pobity fell collapsed crash trampled
fainted shot stabbed drowned assaulted jumped gunshot skadad skadet"""
_FELL = (
    rf"(?<!\w){alternatives(_FALLS)}\s(?:(?-i:[^\n.,;:()A-Z]{{1,40}}?)\s)?(?:in|a|al|alla|allo|all'|presso|vicino\sa|sulla|sul|en|"
    rf"en\sel|en\sla|junto\sa|no|na|do|da|em|au|aux|devant|op\sde|op\shet|bij|te|voor\sde|i|pa|vid|ved|utanfor|na|w|we|przy|"
    rf"pod|kolo|at|outside|off|under|beside|near)\s(?:the\s)?(?P<it>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,2}})"
)


#: What is fallen upon, and where everybody falls.
_LIMB = re.compile(
    r"(?:ginocch|pols[oi]?\b|cavigli|gomit|spall|anca|mano|pied|testa|coll[oi]|schien|fianc|rodill|munec|codo|hombr|cader|pie\b|"
    r"cabez|espald|joelh|punh|cotovel|ombr|quadril|bra[cz]|genou|poignet|cheville|coude|epaule|hanche|dos\b|tete|heup|knie|"
    r"enkel|schouder|elleboog|rug|hoofd|bark|kolan|biodr|nadgarst|lok[ci]|lewy|prawy|plecy|glow|hoft|axel|handled|armbag|"
    r"domicil|casa\b|terra|suelo|chao|sol\b|maison|thuis|straat|trap|golv|gulv|hemmet|hjemme|dom|schod|podlog|outstretch|height|"
    r"escal|stair|floor|home|work|bath|toilet|bed)",
    re.I,
)


def _fell(found: re.Match[str]) -> Span | None:
    said = re.findall(r"[A-Z][\w'-]+", found["it"])
    good = own(said[0], least=4) or (said[0].lower() in ("san", "santa", "old", "new", "st") and len(said) > 1)
    limb = _LIMB.match(said[0])
    return found.span("it") if good and not limb and not department(said[0]) else None


_SAINT = (
    r"(?<![\w-])(?P<it>(?-i:San|Santa|Santo|Sao|Sint|Sveti|Agios|Agia|Szent|Sw\.)\s(?-i:[A-Z][a-z])[a-z]{2,})(?!\w)"
)
#: In small letters, where nothing else can follow: "lives in wexcombe, alone".
_SMALL = (
    r"(?<!\w)(?:lives|living|resides|residing|born|raised|wohnt|wohnhaft|lebt|habite|demeurant|vive|reside|abita|mora|"
    r"woont|bor|mieszka|comes|hails)\s(?:in|a|en|em|te|i|w|we|from)\s(?P<it>(?-i:[a-z])[a-z'-]{4,24})"
    r"(?=[,.;:)]|\s?$|\s(?:with|alone|and|mit|allein|seul|avec|con|sola?|com|met|med|ensam|alene|z|sam|sama)\b)"
)
_DWELLINGS = listed("""house home flat hostel bungalow apartment annexe annex squalor poverty hospice sheltered assisted
supported residential nursing care shared rented temporary warden caravan trailer houseboat farm village town city
country
countryside suburbs hospital institution prison custody shelter refuge accommodation community isolation seclusion
loneliness relationship partnership peace fear barracks dormitory cottage mansion maisonette studio basement convent
monastery pflegeheim altenheim wohngruppe wohnheim wohnung haus heim ehe partnerschaft scheidung trennung familie
maison appartement foyer institution couple famille residence ehpad casa piso residencia compania pareja familia soledad
hogar pueblo ciudad solo sola pareja famiglia struttura istituto appartamento residenza comunita apartamento familia
lar sozinho sozinha companhia verpleeghuis appartement instelling verzorgingshuis woning flat villa lagenhet hus
radhus egen hemmet institusjon leilighet lejlighed plejehjem rekkehus mieszkaniu domu domku rodzinie bloku zaklad
same single multi level ground first second third floor storey story high public private council special group
fear limited terraced detached mobile adult family independent independently""")


def _small(found: re.Match[str]) -> Span | None:
    word = found["it"]
    return None if word in _DWELLINGS or harmless(word) else found.span("it")


RULES: tuple[Rule, ...] = (
    place_rule("village or landmark behind its kind", _KIND, _LAND + " " + _MARKS, _kind),
    place_rule("station by its compound, German", _COMPOUND, "am vom im zum beim auf an von vor ab hbf hauptbahnhof"),
    place_rule("village or landmark before its kind", _AFTER, _BEHIND, _after, reach=60),
    place_rule("town behind a point of the compass", _NEAR, _NEAR_WORDS, town, numbers=True),
    place_rule("house or town that sent somebody", _TRANSFER, _TRANSFER_WORDS, _transfer),
    place_rule("town before an arrow", _ARROW, "us here our this base", _arrow, reach=50),
    place_rule(
        "between two towns", _BETWEEN, "between zwischen entre tra fra tussen miedzy mellan mellem mellom", _between
    ),
    place_rule("where somebody fell", _FELL, _FALLS, _fell),
    place_rule("place of a saint", _SAINT, "san santa santo sao sint sveti agios agia szent sw", town),
    place_rule(
        "town in small letters",
        _SMALL,
        "lives living resides residing born raised wohnt wohnhaft lebt habite "
        "demeurant vive reside abita mora woont bor mieszka comes hails",
        _small,
    ),
)
