"""Places that no list has: behind a preposition, beside a word for a kind of place or house, and streets of more
countries.

"Brought in from Kangerlussuaq": a capitalised word that is none of medicine's, of a maker's or of a country stands
behind a preposition of place for a place.
"""

from __future__ import annotations

import re

from unveil.gate.names import eponym
from unveil.gate.rule import Rule, Span, alternatives, compiled, cues_of
from unveil.gate.rules.places import LARGE
from unveil.gate.words import harmless, listed, ordinary, words

_PREPOSITIONS = """out_of by via from at near off outside around in to desde em en bei aus presso te uit nahe
zwischen vers
pres"""
_CAPITAL = r"[A-Z][a-z][\w'-]*+"
_BEHIND = (
    rf"(?<![\w-])(?P<word>{alternatives(_PREPOSITIONS)})\s(?:(?:the|island\sof|village\sof|town\sof|"
    rf"area\sof|region\sof|la|el|l'|"
    rf"isla\sde|pueblo\sde|rural|urban|downtown|nearby|northern|southern|eastern|western|north|south|east|"
    rf"west|inner|greater|suburban|near|of)\s){{0,2}}(?P<it>(?-i:{_CAPITAL}(?:\s(?:am|an\sder|de|del|do|da|"
    rf"la|le|"
    rf"les|sur|upon|on|of|the|y)\s"
    rf"{_CAPITAL}|\s{_CAPITAL}){{0,3}}))"
)
#: Makers, programs, data sets, diseases' and methods' names, peoples and languages, that stand behind "from" and "in".
_KNOWN = words("not_places")
AFTER_TOWN = re.compile(
    r"(?:'s)?(?:-|\s(?:grade|stage|type|score|classification|criteria|disease|syndrome|sign|stain|view|"
    r"position|class|method|technique|"
    r"space|pouch|line|angle|joint|canal|point|capsule|segments?|scale|system|guidelines?|consensus|"
    r"units?|test|loss|optimi[sz]er|"
    r"network|model|format|software|scanner|mode|phase|projection|protocol|sequence|window|manoeuvre|"
    r"maneuver|et\sal|I{1,3}V?|IV|V|\d))(?!\w)"
)


#: Endings of medicine's and of learned words.
LEARNED = re.compile(
    r"(?:itis|itide|oma|omas|osis|ose|emia|aemia|ectomy|ostomy|otomy|plasty|scopy|scopie|graphy|graphie|"
    r"grafia|gram|ology|ologie|ologia|pathy|"
    r"pathie|patia|trophy|plegia|algia|uria|pnea|pnoea|tion|tions|sion|zione|cion|cao|ung|ungen|ierung|"
    r"ment|ments|ence|ance|cy|ity|itat|idad|idade|ness|"
    r"ism|cillin|mycin|floxacin|azole|olol|pril|sartan|statin|xaban|parin|mab|nib|ciclib|platin|taxel|"
    r"rubicin|floxacina|cillina|micina|prazolo|tinib|gliptin|gliflozin|glutide|"
    r"coccus|cocci|bacter|bacterium|virus|plasma|monas|spora|phage|cyte|cytes|blast|form|ous|ary|ical|ial|"
    r"eal|oid|ive|ated|ized|ised|able|ible)s?$",
    re.I,
)


def _town(found: re.Match[str]) -> Span | None:
    """A place: none of the known words, no eponym, no state and no country, and not the first word of German's
    nouns."""
    words = re.findall(r"[^\s]+", found["it"])
    first = words[0]
    rest = [w for w in words if w[0].isupper()]
    if first.lower() in _BEFORE_NAMES and len(rest) > 1 and first != rest[-1]:
        rest, first = rest[1:], rest[1]
    if (
        len(first) < 4
        or first[-1].isdigit()
        or harmless(first)
        or LEARNED.search(first)
        or first.lower().removesuffix("'s") in _KNOWN
        or LARGE.fullmatch(found["it"])
    ):
        return None
    if all(harmless(w) or w.lower() in _KNOWN for w in rest) or LARGE.match(found["it"] + " "):
        return None
    if (
        eponym(found, found.end())
        or AFTER_TOWN.match(found.string, found.end())
        or eponym(found, found.start("it") + len(first))
    ):
        return None
    if _GERMAN.search(found.string, max(0, found.start() - 60), min(len(found.string), found.end() + 60)):
        return None
    return found.span("it")


#: What names of towns begin with, before a word that nobody knows.
_BEFORE_NAMES = listed(
    "little great upper lower north south east west new old st saint fort port mount lake castle high "
    "royal glen ben loch"
)

#: Where German is written, where every noun has a capital, "in" and "bei" tell nothing.
_GERMAN = re.compile(
    r"(?<!\w)(?:der|die|das|den|dem|des|und|mit|ohne|bei|im|am|zum|zur|kein|keine|keiner|nicht|ist|nach|"
    r"vom|von|auf|fur|eine?r?|links|rechts|"
    r"beidseits|sowie|unter|uber|wird|wurde|het|een|naar|voor|geen|niet|met|bij|aus|Zustand|Verdacht|"
    r"V\.\sa\.|Z\.\sn\.)(?!\w)"
)

# ------------------------------------------------------------------------------------------------------------ houses

_KINDS = """altersheim pflegeheim seniorenheim altenheim altenpflegeheim seniorenresidenz seniorenzentrum
seniorenstift realschule
hauptschule grundschule gesamtschule gymnasium kindergarten kita internat kaserne justizvollzugsanstalt jva wohnheim
wohngruppe werkstatt turnhalle fachklinik rehaklinik reha-klinik tagesklinik poliklinik ambulanz institut rsa ehpad
residencia residenza residence maison_de_retraite foyer lycee ecole college colegio escuela instituto scuola liceo
escola casa_di_riposo casa_di_cura casa_de_repouso hogar asilo hospicio sanatorio consultorio ambulatorio
centro_de_salud
centro_de_saude posto_de_saude usf unidade_de_saude cooperativa fabrica usine fabbrica fabriek firma afdeling
woonzorgcentrum
verpleeghuis verzorgingshuis zorgcentrum huisartsenpraktijk basisschool camp barracks quartier barrio bairro ortsteil
stadtteil
stadtbezirk wijk buurt urbanizacion fraccionamiento colonia vereda corregimiento hameau lieu-dit lieudit frazione
contrada
localita distrito comarca cantone canton kanton bezirk hmp hospice convent monastery abbey parish ward lodge villa
estate
care_home nursing_home rest_home retirement_home sheltered_housing gp_surgery health_centre medical_practice
dental_practice
farm ranch station mine pit quarry colliery port harbour airport terminal stadium arena mosque synagogue church
temple shrine
kirche mosquee eglise iglesia chiesa igreja plant mill factory brewery tannery shipyard foundry refinery
clinique hopital klinik clinica hospital ospedale krankenhaus praxis cabinet practice ziekenhuis szpital nemocnice
sykehus sjukhus
sygehus kaupunki hastanesi rumah_sakit puskesmas benh_vien breast_clinic"""
_KIND = (
    rf"(?<![\w-]){alternatives(_KINDS)}\s(?:[\x22\x27]|(?:am|an\sder|im|in|zum|zur|st\.?|sankt|di|de|du|"
    rf"des|del|della|da|do|dos|das|la|le|les|"
    rf"los|las|el|of|at|van|ter|villa|our|saint|san|santa|"
    rf"the)\s){{0,4}}(?P<it>(?-i:[A-Z][\w'-]{{2,}})(?:\s(?-i:[A-Z][\w'-]+)){{0,3}})"
)
_NO_NAMES = listed("""general university universitario universitaria universitaire municipal regional central
nacional national
national civil militar infantil policy day course admission discharge report notes records stay number level icu unit
floor
department emergency surgery radiology imaging radiologie medicine internal acquired round rounds doctor team staff
nurse
inpatient outpatient plate plant port station one two three four innere high exit silk guidelines guideline setting
standards side""")


def _kind(found: re.Match[str]) -> Span | None:
    """A house's or a quarter's own name behind what it is."""
    words = [word for word in re.findall(r"[\w'-]+", found["it"]) if word[0].isupper()]
    own = [w for w in words if not ordinary(w) and w.lower() not in _NO_NAMES and len(w) > 2]
    first = words[0]
    loud = first.isupper() and len(first) < 5
    return (
        found.span("it")
        if own and own[0] == first and not loud and not eponym(found, found.start("it") + len(first))
        else None
    )


_FIRMS = (
    r"Ltd|Limited|Inc|LLC|LLP|PLC|Corp|Corporation|GmbH|AG|KG|OHG|e\.V|S\.?A|S\.?L|S\.?r\.?l|S\.?p\.?A|"
    r"B\.?V|N\.?V|Oy|AB|ApS|A/S|Pty|Sp\.\sz\so\.o|Ltda|SARL|SAS|Kft|d\.o\.o|s\.r\.o"
)
_WORD = r"[A-Z][\w'&-]{1,40}+"
_FIRM = rf"(?<![\w'&-])(?P<it>{_WORD}(?:\s(?:&|and|und|y|et|e|of|{_WORD})){{0,5}}),?\s(?:{_FIRMS})\b\.?"
_BESIDE = (
    r"(?<![\w-])(?P<it>[A-Z][a-z][\w'-]{2,}(?:\s[A-Z][a-z][\w'-]+){0,2})\s(?i:dialysis\sunit|"
    r"dialysis\scentre|region\b|area\b|valley|island|islands|"
    r"peninsula|district|village|town\b|suburb|estate|harbour|airport|station\b|platform|junction|branch|"
    r"campus|site\b|clinic|hospital|hospice|surgery\b|"
    r"practice|infirmary|school|college|church|parish|prison|farm|factory|mill\b|plant\b|mine\b|quarry|"
    r"brewery|nursing\shome|care\shome|rest\shome|"
    r"health\scentre|health\scenter|medical\scentre|medical\scenter|ambulance|lifeboat|helicopter|"
    r"reservation|barracks|road|street|avenue|lane|bridge|"
    r"market|square|beach|building|house\b|wing|tower|hall|arena|stadium|centre|center|park\b|marathon|"
    r"half\smarathon|resident|residents|native|locals?|based)(?!\w)"
)


def _firm(found: re.Match[str]) -> Span | None:
    words = [word for word in re.findall(r"[\w'-]+", found["it"]) if word[0].isupper()]
    own = [
        word for word in words if not ordinary(word) and word.lower() not in _KNOWN and word.lower() not in _NO_NAMES
    ]
    return found.span("it") if own else None


def _beside(found: re.Match[str]) -> Span | None:
    """A word in capitals before a kind of place; at a sentence's start too, if nobody knows it."""
    words = re.findall(r"[\w'-]+", found["it"])
    last = words[-1]
    if (
        harmless(last)
        or last.lower() in _KNOWN
        or last.lower() in _NO_NAMES
        or harmless(words[0])
        or LARGE.fullmatch(found["it"])
    ):
        return None
    return (
        None
        if LARGE.match(found["it"] + " ")
        or LEARNED.search(last)
        or last.endswith(("al", "ic", "ar", "ous", "ent", "ed", "ing", "oid"))
        else found.span("it")
    )


# ------------------------------------------------------------------------------------------------------ other scripts

_ADJECTIVES = re.compile(
    r"[А-ЯЁ][а-яё-]{3,}(?:ск|цк)(?:ая|ой|ий|ого|ом|ую|ие|их)\s(?:районн|городск|областн|центральн|сельск|"
    r"больниц|поликлиник|ЦРБ|обл|р-н|район|кра[йя])\w*"
)
_CYRILLIC_TOWN = re.compile(
    r"(?:пос[её]л\w*|деревн\w*|сел[ао]|города|городе|район\w*|станци\w+|хутор\w*|завод\w*|фабрик\w*|"
    r"комбинат\w*|колхоз\w*|шахт\w*|школ\w+|приют\w*|интернат\w*|санатори\w*|ООО|ОАО|АО|ЗАО)"
    r"\s(?:им\.\s)?[«\"]?(?P<it>(?:№\s?\d+|[А-ЯЁ][\w-]{2,}))"
)
_HAN_WORK = re.compile(
    r"(?:在|到|从|自|住|于)(?P<it>[\u4e00-\u9fff]{2,8}(?:港|码头|工厂|厂|公司|学校|小学|中学|大学|医院|矿|农场|村|镇|县|市|区|社区|小区|养老院|"
    r"敬老院|监狱|机场|车站|站))"
)


def _han(found: re.Match[str]) -> Span | None:
    common = re.fullmatch(
        r"(?:当地|上级|外|我|本|他|某|附近|一家|一个|下级|人民|中心)+(?:医院|公司|学校|工厂|厂|大学)?", found["it"]
    )
    return None if common or len(found["it"]) < 4 else found.span("it")


_LIVES = (
    rf"(?<!\w)(?:bor|bosatt|boende|bopael|fodt|fodd|hjemmehorende|kommer|mieszka|zam|zamieszkal[ya]|"
    rf"zamieszkuje|pochodzi|urodzon[ya]|bydli|"
    rf"bydliste|bydliskem|zije|pochazi|bywa|stanuje|zivi|zyje|locuieste|domiciliat[a]?|nascut[a]?|provine|"
    rf"lakik|yasiyor|tinggal|berasal|"
    rf"\w{{3,12}}at[oa]|ricover\w{{2,3}}|degente|inviat[oa]|proveniente|accede|viene|llega|acude|"
    rf"ingresad[oa]|trasladad[oa]|remitid[oa]|"
    rf"derivad[oa]|vindo|vinda|veio|encaminhad[oa]|transferid[oa]|internad[oa]|transfere|transferee|"
    rf"adresse|adressee|hospitalise|hospitalisee|"
    rf"patient|patientin|mann|frau|junge|madchen|pat|verlegung|zuverlegung|zuweisung|ubernahme|uberweisung|"
    rf"anreise)\.?\s"
    rf"(?:i|pa|fra|fran|w|we|z|ze|v|ve|na|in|din|la|di|dari|a|da|dal|dalla|presso|ad|desde|de|do|del|em|no|"
    rf"au|aux|du|vers|aus|nach)\s"
    rf"(?:miejscowosci|miescie|wsi|obci|orasul|comuna|kota|desa|cidade\sde|"
    rf"ciudad\sde)?\s?(?P<it>(?-i:{_CAPITAL}(?:[\s-]{_CAPITAL}){{0,2}}))"
)
_LIVES_WORDS = """bor bosatt boende bopael fodt fodd hjemmehorende kommer mieszka zam zamieszkaly zamieszkala
zamieszkuje pochodzi
urodzony urodzona bydli bydliste bydliskem zije pochazi bywa stanuje zivi zyje locuieste domiciliat domiciliata
nascut nascuta
provine lakik yasiyor tinggal berasal ricoverato ricoverata trasferito trasferita portato portata trovato trovata
degente inviato
inviata proveniente accede viene llega acude ingresado ingresada trasladado trasladada remitido remitida derivado
derivada vindo
vinda veio encaminhado encaminhada transferido transferida internado internada transfere transferee adresse adressee
hospitalise
hospitalisee patient patientin mann frau junge madchen pat verlegung zuverlegung zuweisung ubernahme uberweisung
anreise"""
_BAD = r"(?<=[a-z,]\s)(?P<it>(?:Bad|Sankt|St\.)\s[A-Z][a-z]{3,})(?![\w])"
_WING = (
    rf"(?<!\w)(?:ward|level|floor|wing|unit|room|bed|block|station|gate|"
    rf"platform)\s[\w-]{{1,4}},\s(?P<it>(?-i:{_CAPITAL}(?:\s{_CAPITAL}){{0,2}}))"
)


def _foreign(found: re.Match[str]) -> Span | None:
    """As ``_town``, wherever it stands in a sentence of German."""
    first = found["it"].split()[0]
    known = (
        len(first) < 4
        or harmless(first)
        or LEARNED.search(first)
        or first.lower() in _KNOWN
        or LARGE.fullmatch(found["it"])
    )
    medical = eponym(found, found.end()) or AFTER_TOWN.match(found.string, found.end())
    german = found[0].lower().startswith(("patient ", "pat ", "frau ", "mann ")) and " aus " not in found[0]
    return None if known or medical or german else found.span("it")


_BEHIND_HOUSE = (
    rf"(?<!\w)(?:hospital|clinic|centre|center|surgery|practice|school|college|infirmary|hospice|home|"
    rf"house|street|road|lane|close|avenue|"
    rf"klinik|klinikum|krankenhaus|spital|praxis|strasse|hopital|clinique|clinica|ospedale|ziekenhuis)\s?\d{{0,3}},\s"
    rf"(?P<it>(?-i:{_CAPITAL}(?:[\s-]{_CAPITAL}){{0,2}}))(?!\w)"
)


RULES: tuple[Rule, ...] = (
    Rule(
        "place",
        "town behind a house",
        compiled(_BEHIND_HOUSE),
        cues_of(
            """hospital clinic centre center surgery practice school college infirmary hospice home house street road
lane close
            avenue klinik klinikum krankenhaus spital praxis strasse hopital clinique clinica ospedale ziekenhuis"""
        ),
        place=_foreign,
    ),
    Rule("place", "town behind a verb, more languages", compiled(_LIVES), cues_of(_LIVES_WORDS), place=_foreign),
    Rule("place", "spa or saint's town", re.compile(_BAD), cues_of("bad sankt st"), place=_firm),
    Rule(
        "place",
        "house behind a ward",
        compiled(_WING),
        cues_of("ward level floor wing unit room bed block station gate platform"),
        place=_foreign,
    ),
    Rule("place", "unknown word behind a preposition", compiled(_BEHIND), cues_of(_PREPOSITIONS), place=_town),
    Rule("place", "house or quarter, its kind first", compiled(_KIND), cues_of(_KINDS), place=_kind),
    Rule(
        "place",
        "company",
        re.compile(_FIRM),
        cues_of(
            "ltd limited inc llc llp plc corp corporation gmbh ag kg ohg e s sa sl srl spa b bv n nv oy ab aps a "
            "pty sp ltda sarl sas kft d"
        ),
        reach=60,
        place=_firm,
    ),
    Rule(
        "place",
        "word beside a kind of place",
        re.compile(_BESIDE),
        cues_of(
            """dialysis region area valley island islands peninsula district village town suburb estate harbour
airport station platform junction branch campus
        site clinic hospital hospice surgery practice infirmary school college church parish prison farm factory mill
plant mine quarry brewery nursing
        care rest health medical ambulance lifeboat helicopter reservation barracks road street avenue lane bridge
market square beach park marathon half
        resident residents native local locals based building house wing tower hall arena stadium centre center"""
        ),
        reach=50,
        place=_beside,
    ),
    Rule("place", "place by its adjective, Cyrillic", _ADJECTIVES, script=re.compile("[А-Яа-я]")),
    Rule("place", "place behind its kind, Cyrillic", _CYRILLIC_TOWN, script=re.compile("[А-Яа-я]")),
    Rule("place", "place of work, Chinese", _HAN_WORK, script=re.compile("[\u4e00-\u9fff]"), place=_han),
)
