"""Where somebody lives: streets, postcodes, towns, coordinates. States and countries alone pass, as HIPAA has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from unveil.gate.rule import Rule, Span, alternatives, before, cues_of, signs_of, whole
from unveil.gate.words import harmless, ordinary

# ---------------------------------------------------------------------------------------------------------- streets

_STREETS = """Street Avenue Road Lane Drive Boulevard Court Place Way Close Crescent Terrace Highway Parkway Square
Circle Row Gardens Mews Grove Hill Walk Trail Alley Esplanade Nagar Marg Salai Chowk Colony Heights Turnpike Loop Quay
Embankment"""
_SHORT = "St Ave Av Rd Ln Dr Blvd Ct Pl Cres Ter Hwy Pkwy Sq"
_SMALL = "street avenue road lane boulevard crescent terrace highway parkway"
_NUMBER = r"\d{1,5}(?:-\d{1,5})?[A-Za-z]?"
_NAME = r"[A-Z][\w'.-]*"
_IN_CAPITALS = "STREET AVENUE ROAD LANE DRIVE BOULEVARD AVE RD BLVD HWY CRESCENT TERRACE"
_LINKS = (
    r"(?:(?:de|del|de\sla|de\slas|de\slos|des|du|de\sl'|d'|della|delle|dei|degli|da|do|dos|das|l'|la|le|les|los|"
    r"las|san|saint|sainte|santa)\s?){0,2}"
)

_ADDRESSES: dict[str, str] = {
    "street, English": (
        rf"(?<![\w.])(?<!\d[-/]){_NUMBER},?\s(?:(?:[NSEW]\.?|North|South|East|West)\s)?(?:(?:{_NAME}|"
        rf"\d{{1,3}}(?:st|nd|rd|th)|of|the)\s){{1,4}}"
        rf"(?:{alternatives(_STREETS)}\b|{alternatives(_SHORT)}\b(?=\.|,|\s[A-Z#]|\s?$|\n))"
    ),
    "street in capitals or small letters": (
        rf"(?<![\w.])(?<!\d[-/]){_NUMBER},?\s(?:(?:[A-Z][A-Z'.-]+\s){{1,3}}{alternatives(_IN_CAPITALS)}|"
        rf"(?:[a-z][a-z'-]+\s){{1,2}}{alternatives(_SMALL)})(?!\w)"
    ),
    "street without number": (
        rf"(?:\b(?:on|at|in|of|from|live[sd]?|near)\s)(?P<it>(?:{_NAME}\s){{1,3}}(?:Street|Avenue|Road|Lane|"
        rf"Boulevard|Crescent|Terrace))(?!\w)"
    ),
    "street, German or Dutch": (
        r"(?<!\w)(?!(?:Atem|Harn|Gallen|Luft|Zugang|Leitungs|Becken|Klappen|Anulus|Speise|Geburts|Umgehungs|"
        r"Arbeits|Stoffwechsel|Knorpel|Mitral|Aorten|Faser|Leber|Bewegungs))"
        r"(?:[A-Z][\w-]{0,24}[\s-]){0,2}[A-Z]?[\w-]{0,24}(?:strasse|str\.|straat|gasse|allee|laan|gracht|kade|plein|"
        r"chaussee|ufer|(?<=\w{3})weg|(?<=\w{3})platz|(?<=\w{3})damm|(?<=\w{3})ring|(?:(?<=\w\s)(?:Weg|Platz|Ring|"
        r"Strasse|Allee|Ufer|Damm|Markt))),?\s(?:Nr\.?\s)?\d{1,4}\s?[a-z]?(?![\w.]\d|\w|\s?(?:mm|cm|ml|%|x))"
    ),
    "street, French": (
        rf"(?<!\w)(?:{_NUMBER}\s?(?:bis|ter)?,?\s)?(?i:rue|avenue|av\.|boulevard|bd|impasse|chemin|allee|"
        rf"quai|route|square|faubourg|(?<=\d\s)place|"
        rf"(?<=\d\s)cours)\s{_LINKS}[A-Z][\w'-]+(?:[\s-][A-Z][\w'-]+){{0,3}}"
    ),
    "street, Spanish or Portuguese": (
        rf"(?<!\w)(?i:calle|c/|avenida|avda\.?|av\.|plaza|paseo|carrera|cra\.?|camino|ronda|calzada|rua|r\.|"
        rf"travessa|praca|largo|alameda|estrada|rodovia|jiron|colonia|col\.)\s?{_LINKS}(?:[A-Z]\w*|"
        rf"\d{{1,3}})[\w'.-]*(?:\s(?:(?:de|del|da|do|dos|das|la|y|"
        rf"e)\s){{0,2}}[A-Z][\w'.-]*){{0,5}},?\s?(?:(?i:n[o.]*|num\.?|numero|\#|km)\s?)?\d{{1,5}}"
    ),
    "street, Italian": (
        rf"(?<!\w)(?:Via|Viale|Piazza|Piazzale|Corso|Largo|Vicolo|Strada|Contrada|(?<=in\s)(?:via|viale|"
        rf"piazza|corso|largo|vicolo|contrada|strada))\s{_LINKS}[A-Z][\w'.-]+(?:\s(?:(?:di|da|del|della|"
        rf"e)\s)?[A-Z][\w'.-]+){{0,3}},?\s?(?:n\.?\s?)?\d{{1,4}}"
    ),
    "post box, flat": (
        r"(?<!\w)(?i:p\.?\s?o\.?\s?box|postfach|apartado|boite\spostale|caixa\spostal|"
        r"casella\spostale)\s?\#?\d{1,6}|(?<!\w)(?i:apt|apartment|suite|ste|flat|room|house\sno|plot\sno|"
        r"door\sno|h\.?\s?no|wohnung|appartement|piso|interno|bloco|"
        r"apto)\.?\s?(?:(?i:no\.?)\s?)?\#?\d{1,5}[A-Za-z]?,(?=\s(?:\d|[A-Z]))"
    ),
    "address behind its label": (
        r"(?<!\w)(?i:(?:home\s|postal\s|mailing\s|street\s|permanent\s|current\s|residential\s)?address|"
        r"anschrift|adresse|wohnhaft(?:\sin)?|wohnort|domicilie[e]?|demeurant|domicilio|direccion|indirizzo|"
        r"residenza|residente\s(?:a|in|en|em)|endereco|domiciliado|adres|woonplaats|住址|地址|住所|"
        r"现住址|주소|адрес|"
        r"проживает|место жительства|العنوان|पता)\s?(?::|=|is\s|：|\s(?=[A-Z0-9]))\s?(?!\s?(?:IP|MAC|is|of|the|"
        r"this|these|any|all|removed|redacted|unknown|withheld|none|not)\b)(?P<it>[^\n;]{3,60})"
    ),
}

# -------------------------------------------------------------------------------------------------------- postcodes

_STATES = """AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT NC ND NE NH NJ NM NV NY
OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY PR NSW VIC QLD TAS ACT"""
_SURE_STATES = "AK AZ CA CO FL GA IL KS KY MA MN MT NC NH NJ NM NV NY OH RI TN TX UT WA WI WV WY NSW QLD ON BC QC AB NS"
_STATE_NAMES = """Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Georgia Hawaii
Idaho Illinois Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts Michigan Minnesota Mississippi
Missouri Montana Nebraska Nevada New_Hampshire New_Jersey New_Mexico New_York North_Carolina North_Dakota Ohio
Oklahoma Oregon Pennsylvania Rhode_Island South_Carolina Tennessee Texas Utah Vermont Virginia Washington Wisconsin
Wyoming Ontario Quebec Alberta British_Columbia Manitoba Queensland New_South_Wales England Scotland Wales Ireland
Germany France Spain Italy Portugal Brazil Mexico India China Japan Korea Nigeria Kenya Ghana Egypt Pakistan
Bangladesh Netherlands Belgium Switzerland Austria Poland Turkey Russia Canada Australia Bavaria Deutschland Kerala
Gujarat Maharashtra Karnataka Punjab Tamil_Nadu Uttar_Pradesh Telangana Rajasthan Haryana Bihar West_Bengal Uganda
Ethiopia Argentina Chile Colombia Peru Sweden Norway Denmark Finland Greece Hungary Romania Ukraine Israel Iran Iraq
Syria Lebanon Jordan Thailand Vietnam Philippines Indonesia Malaysia Singapore Taiwan UK USA UAE"""
_UK = (
    "AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX "
    "FK FY G GL GU HA HD HG HP HR HS HU HX IG IP IV KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP "
    "NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW "
    "UB W WA WC WD WF WN WR WS WV YO ZE"
)
_CODES = """zip zip_code zipcode zip+4 postal_code post_code postcode plz postleitzahl code_postal cp c.p.
codigo_postal cap cep pin_code pincode pin postnummer kod_pocztowy 邮编 邮政编码 郵便番号 우편번호 индекс
الرمز_البريدي पिन_कोड postcode:"""

_POSTCODES: dict[str, str] = {
    "ZIP behind a state": (
        rf"(?<![\w-]){alternatives(_STATES)},?\s\d{{5}}(?:-\d{{4}})?(?![\w.]|-\d)|"
        rf"(?<!\w){alternatives(_STATE_NAMES)},?\s\d{{5,6}}(?:-\d{{4}})?(?!\w)"
    ),
    "ZIP of nine digits": (r"(?<![\w.-])\d{5}-\d{3,4}(?![\w-])"),
    "postcode behind its name": (
        rf"(?<!\w)(?i:{alternatives(_CODES)})(?![^\W\d_])\s?[:=\#.]?\s?(?:(?i:is|of|code|"
        rf"no\.?)\s)?(?P<it>(?:[A-Z]{{1,2}}[-\s]?)?\d[\dA-Z]{{1,5}}(?:[\s-]?\d[\dA-Z]{{1,3}})?)(?![\w.]\d|\w)"
    ),
    "postcode, United Kingdom": (
        rf"(?<![\w-])(?:{alternatives(_UK)}\d[A-Z\d]?\s(?!1ST|2ND|3RD|\dTH)\d[ABD-HJLNP-UW-Z]{{2}}|"
        rf"{alternatives(_UK)}\d{{1,2}}[A-Z]?(?!1ST|2ND|3RD|\dTH)\d[ABD-HJLNP-UW-Z]{{2}}|GIR\s?0AA)(?![\w-])"
    ),
    "postcode in small letters": (
        rf"(?<![\w-]){alternatives(_UK.lower())}\d[a-z\d]?\s\d[abd-hjlnp-uw-z]{{2}}(?![\w-])(?<!mm)(?<!st)(?<"
        rf"!nd)(?<!th)(?<!hu)(?<!hz)"
    ),
    "postcode, Canada": (
        r"(?<![\w-])(?!E\dV\dM\d)[ABCEGHJ-NPR-TVXY]\d[ABCEGHJ-NPR-TV-Z][\s-]?\d[ABCEGHJ-NPR-TV-Z]\d(?![\w-])"
    ),
    "postcode before a town": (
        r"(?<![\w.])(?:[A-Z]{1,2}-)?\d{4,5}\s[A-Z][a-z]{2,}(?:[\s-](?:am|an|sur|sous|en|der|[A-Z]\w+)){0,3}|"
        r"(?<!\w)(?:D|F|A|CH|B|NL|I|E|PL)-\d{4,5}(?!\w)"
    ),
    "postcode, Japan, India, Netherlands": (
        r"〒\s?\d{3}-?\d{4}|(?<=[a-z]\s-\s)\d{6}(?!\w)|(?<=[a-z]-)[1-9]\d{5}(?!\w)|"
        r"(?<=,\s)\d{4}\s[A-Z]{2}(?=[\s,]\s?[A-Z][a-z])|(?<=[a-z]\s)[1-9]\d{2}\s\d{3}(?=,\sIndia)"
    ),
}

# ------------------------------------------------------------------------------------------------------------ towns

_LIVES = r"""(?:live[sd]?|living|reside[sd]?|residing|resident|dwelling|housed|based|born|raised|grew\sup|worked|works|
    working|farmer|employed|retired|home|house|moved
    |relocated|settled|staying|stationed)\s(?:alone\s|with\s(?:his|her|their)\s\w+\s|now\s|currently\s|
    originally\s|here\s|back\s)?(?:in|at|of|near|to|outside|around|from)"""
_COMES = r"""(?:(?:patient|man|woman|male|female|gentleman|lady|boy|girl|child|infant|he|she|they|
    tourist|visitor|worker|
    student|refugee|migrant|immigrant|farmer
    |miner|fisherman|old|yo|y/o|family|wife|husband|mother|father)\s(?:is\s|was\s|comes\s|came\s|originally\s|
    hails\s|visiting\s)?from
    |(?:comes|came|hails|originates|emigrated|immigrated|travel(?:l)?ed|returned|returning|arrived|flew|flown|
    visiting|native|transferred|referred|airlifted|moved|back
    |retrieved|brought|sent|trip|holiday|vacation|visit|journey|travels?|travel(?:l)?ing)\s(?:here\s|in\s|
    by\sambulance\s|over\s)?(?:from|to|of|in))"""
_ELSEWHERE = r"""(?:wohnt\sin|lebt\sin|wohnhaft\sin|geboren\sin|kommt\saus|stammt\saus|
    zugezogen\saus|habite(?:\sa|\sen)?|vit\sa|
    demeurant\sa|reside\sa|originaire\sde|natif\sde
    |ne\sa|nee\sa|vive\sen|reside\sen|residente\sen|procedente\sde|natural\sde|originari[oa]\sde|nacid[oa]\sen|
    vecin[oa]\sde|abita\sa|vive\sa|residente\sa|proveniente\sda|nat[oa]\sa
    |originari[oa]\sdi|mora\sem|reside\sem|residente\sem|natural\sde|nascid[oa]\sem|vem\sde|procedente\sde|
    woont\sin|woonachtig\sin|afkomstig\suit|geboren\ste)"""
_WORKS = (
    r"(?:works?|worked|employed|employee|employer|pupil|student|teacher|nurse|job|apprentice|foreman)\s(?:at|"
    r"for|of|in|with|is|:)\s(?:the\s)?"
)
_TOWN = r"[A-Z][a-z][\w'-]*(?:\s(?:(?:am|an\sder|de|del|do|da|la|le|sur|upon|on|of|the)\s)?[A-Z][\w'-]+){0,3}"


def _tight(pattern: str) -> str:
    """A pattern without the breaks of its lines."""
    return "".join(pattern.split())


_STRANGE = (
    r"(?:town|city|village|county|district|borough|township|parish|municipality|hamlet|suburb|commune|landkreis|"
    r"kreis|gemeinde|stadt|ort|departement|provincia|municipio|comune|municipio|pueblo|taluk|tehsil|prefecture)"
)
_HAN_PLACE = (
    r"(?:[\u4e00-\u9fff]{2,4}(?:省|自治区))?[\u4e00-\u9fff]{2,4}(?:市|县|縣|州)[\u4e00-\u9fff]{1,6}(?:区|區|"
    r"县|镇|乡|街道|路|街|"
    r"村|町)(?:[\u4e00-\u9fff]{0,8}\d{0,5}(?:号|號|弄|室|巷)?)|[\u4e00-\u9fff]{1,6}(?:路|街|大道|巷|"
    r"胡同)\s?\d{1,5}\s?(?:号|號|"
    r"弄)|(?:东京都|東京都|大阪府|京都府|北海道|\S{2,3}県)[\u4e00-\u9fff\u3040-\u30ff]{1,8}|"
    r"[\u4e00-\u9fff]{1,5}(?:市|区|町|"
    r"村)[\u4e00-\u9fff\u3040-\u30ff]{1,8}\d[\d-]{0,10}|(?:住在|来自|家住|居住在|居住于|籍贯|出身は|"
    r"在住)[:：]?\s?[\u4e00-\u9fff]{2,8}|[가-힣]{2,4}(?:특별시|광역시|[시도])\s?[가-힣]{1,5}(?:시|구|군|동|읍|면|로|"
    r"길)(?:\s?[가-힣]{1,6}(?:동|로|길)\s?[\d-]*)?"
)
_CYRILLIC_PLACE = (
    r"(?:(?<!\w)(?:г|ул|пос|дер|обл|пер|пр|пр-т|просп)\.\s?[А-ЯЁ][а-яё-]+(?:,?\s?(?:д|дом)?\.?\s?\d{1,4})?|"
    r"(?:живет|проживает|родился|родилась|житель|приехал[аи]?)\s(?:в|из)\s(?:г\.\s?)?[А-ЯЁ][\w-]+|"
    r"(?:[А-ЯЁ][а-яё-]+\s)?(?:улица|проспект|переулок|шоссе)\s(?:[А-ЯЁ][а-яё-]+)?(?:,?\s?(?:д\.?\s?)?\d{1,4})?)"
)
_OTHER_PLACE = (
    r"(?:يعيش في|تعيش في|يسكن في|تسكن في|من مدينة|مدينة|شارع|حي)\s\w{2,}(?:\s\w{2,})?|(?:शहर|जिला|गाँव|गांव|"
    r"ग्राम|मोहल्ला)\s?:?\s?\S{2,}|(?<!\S)\S{2,30}\s(?:में रहते|में रहता|में रहती|के निवासी|से आए|जिला|शहर)"
)

_TOWNS: dict[str, str] = {
    "town somebody lives in": (
        rf"(?<!\w)(?i:{_tight(_LIVES)})\s(?:(?i:the\s)?(?i:{_STRANGE})\s(?i:of)\s)?(?P<it>{_TOWN})"
    ),
    "town somebody comes from": (
        rf"(?<!\w)(?i:{_tight(_COMES)})\s(?:(?i:the\s)?(?i:{_STRANGE})\s(?i:of)\s)?(?P<it>{_TOWN})"
    ),
    "town, other languages": (
        rf"(?<!\w)(?i:{_tight(_ELSEWHERE)})\s(?P<it>{_TOWN})|(?<!\w)[Aa]us\s(?P<other>{_TOWN})\s(?:zuverlegt|"
        rf"verlegt|uberwiesen|kommend|stammend|zugewiesen|ubernommen|angereist)"
    ),
    "employer or school": (
        rf"(?<!\w)(?i:{_WORKS})(?P<it>[A-Z][\w'&-]+(?:\s(?:&\s|and\s|"
        rf"of\s)?[\w'&-]+){{0,5}}?\sin\s[A-Z][\w'-]+|[A-Z][\w'&-]+(?:\s(?:&\s|and\s|"
        rf"of\s)?[A-Z][\w'&-]+){{0,4}}(?:\s(?:mill|factory|plant|school|college|company|bakery|mine|works|"
        rf"farm|shop|office|bank|restaurant|garage|hotel))?)"
    ),
    "coordinates": (
        r"(?<![\w.])-?[1-9]\d{0,2}\.\d{3,8}\s?°?\s?[NS]?\s?[,;/\s]\s?(?:-?[1-9]\d{0,2}\.\d{3,8}|"
        r"-0\.\d{4,8})(?![\w.])(?:\s?°"
        r"?\s?[EWO])?|(?<!\w)\d{1,3}\s?°\s?\d{1,2}\s?['’]\s?(?:\d{1,2}(?:\.\d+)?\s?(?:\"|"
        r"'')\s?)?[NS][\s,]{0,2}\d{1,3}\s?°\s?\d{1,2}\s?['’]\s?(?:\d{1,2}(?:\.\d+)?\s?(?:\"|'')\s?)?[EWO]|"
        r"(?<!\w)(?i:gps|lat|latitude)\s?[:=]?\s?-?\d{1,3}\.\d{2,8}(?:[^\w\n]{1,4}(?i:lon|long|longitude|"
        r"lng)?\s?[:=]?\s?-?\d{1,3}\.\d{2,8})?"
    ),
    "county or district": (
        rf"(?<!\w)(?P<it>{_NAME}(?:\s{_NAME}){{0,2}}\s(?:County|Township|Borough|Parish|Village|Taluk|Tehsil|"
        rf"Mandal|Prefecture|Municipality|Shire|Reservation|City(?!\sof))|(?:(?:City|Town|Village|County|"
        rf"Borough|District|Parish|Township|State)\sof|Landkreis|Kreis|Gemeinde|Provincia\sd[ei]|"
        rf"provincia\sd[ei]|Departement|departement\sd[eu]s?|Comune\sdi|comune\sdi|municipio\sde|"
        rf"Municipio\sde|gemeente|Gemeente)\s{_TOWN}|{_NAME}\sDistrict(?=[,.;)]|\s(?:of\s)?[A-Z]|$))(?!\w)"
    ),
    "town and state": (
        rf"(?<!\w)(?P<it>[A-Z][a-z][\w'-]+(?:\s[A-Z][\w'-]+){{0,2}},\s(?:{alternatives(_SURE_STATES)}|"
        rf"{alternatives(_STATE_NAMES)}))(?!\w)"
    ),
    "town behind its label": (
        r"(?<!\w)(?i:city|town|village|county|district|place of birth|birthplace|birth place|hometown|"
        r"home town|residence|ort|wohnort|geburtsort|stadt|ville|commune|lieu de naissance|ciudad|localidad|"
        r"lugar de nacimiento|poblacion|municipio|citta|comune|luogo di nascita|cidade|municipio|"
        r"naturalidade|location of practice|woonplaats|"
        r"geboorteplaats)\s?[:=]\s?(?P<it>[A-Za-z][^\n,;.]{2,40})"
    ),
    "place in Chinese, Japanese or Korean": (_HAN_PLACE),
    "place in Cyrillic": (_CYRILLIC_PLACE),
    "place in Arabic or Hindi": (_OTHER_PLACE),
}


LARGE = re.compile(
    rf"(?:the\s)?(?:{alternatives(_STATE_NAMES)}|Africa|Asia|Europe|America|Nepal|Sri\sLanka|Morocco|Algeria|"
    rf"Tunisia|Sudan|Somalia|Afghanistan|Cuba|Bolivia|Ecuador|Venezuela|Myanmar|Cambodia|Congo|Angola|Zimbabwe|"
    rf"Zambia|Tanzania|Haiti|Guatemala|Honduras|Saudi\sArabia|Qatar|Kuwait|Bulgaria|Serbia|Croatia|Czechia|"
    rf"Slovakia|Scotland|Spanien|Italien|Frankreich|Polen|Turkei|Syrien|Espana|Francia|Italia|Alemania|Allemagne|"
    rf"Maroc|Algerie|Brasil)"
)


def _town(found: re.Match[str]) -> Span | None:
    """A town: no ordinary word, no eponym ("in Trendelenburg"), no state and no country."""
    group = "it" if found["it"] else "other"  # of another language
    words = re.findall(r"[\w'-]{2,}", found[group])
    if not words or all(harmless(w) for w in words) or ordinary(words[0]) or LARGE.fullmatch(found[group]):
        return None
    return found.span(group)


def _postcode(found: re.Match[str]) -> Span | None:
    """Not "CT 71250", which is an examination's code, nor a round number with its unit."""
    value = found[0]
    if re.match(r"(?:CT|MR|PA|MS|IN|OR|LA|AP|ME|ID|DE|HI|PR)\s", value) and not re.search(
        r"[a-z],?\s$", before(found, 3)
    ):
        return None
    if re.match(r"\d{4,5}\s[A-Z][a-z]", value) and not re.search(r"(?:,\s?|\n|^|\bin\s|\baus\s)$", before(found, 5)):
        return None
    number = re.search(r"\d{4,5}", value)
    round_one = bool(number and number[0].endswith("000"))
    words = re.findall(r"[A-Z][a-z]+", value)
    return (
        None
        if round_one or (bool(words) and all(ordinary(w) for w in words))
        else found.span("it")
        if "it" in found.re.groupindex and found["it"]
        else found.span()
    )


def _street(found: re.Match[str]) -> Span | None:
    """Not "2 Small Court" of ordinary words alone, as in "4 Chamber Way"."""
    words = re.findall(r"[A-Z][\w'-]{2,}", found[0])
    labelled = "it" in found.re.groupindex and found["it"] and re.match(r"\d{1,4}[a-z]?\s[A-Z]", found["it"])
    return (
        None
        if len(words) > 1
        and not labelled
        and all(ordinary(w) for w in words[:-1])
        and not re.search(r"(?i)street|avenue|road|lane|boulevard|rue|str", found[0])
        else whole(found)
    )


_FRENCH_STREETS = "rue avenue av boulevard bd impasse chemin allee quai route square faubourg place cours"
_GERMAN_STREETS = "str. strasse straat gasse allee laan gracht kade plein chaussee ufer weg platz damm ring markt"
_IBERIAN_STREETS = """calle c/ avenida avda av plaza paseo carrera cra camino ronda calzada rua r travessa praca largo
alameda estrada rodovia jiron colonia col"""
_FLATS = """p po box postfach apartado boite caixa casella apt apartment suite ste flat room house plot door h wohnung
appartement piso interno bloco apto"""
_ADDRESS_WORDS = """home postal mailing street permanent current residential address anschrift adresse wohnhaft
wohnort domicilie domiciliee demeurant domicilio direccion indirizzo residenza residente endereco domiciliado adres
woonplaats 住址 地址 住所 现住址 주소 адрес проживает место العنوان पता"""
_LIVES_WORDS = """live lives lived living reside resides resided residing resident dwelling housed based born raised
grew worked works working farmer employed retired home house moved relocated settled staying stationed"""
_COMES_WORDS = """patient man woman male female gentleman lady boy girl child infant he she they tourist visitor
worker student refugee migrant immigrant farmer miner fisherman old yo y family wife husband mother father comes came
hails originates emigrated immigrated travel traveled travelled returned returning arrived flew flown visiting native
transferred referred airlifted moved back retrieved brought sent trip holiday vacation visit journey travels traveling
travelling"""
_ELSEWHERE_WORDS = """wohnt lebt wohnhaft geboren kommt stammt zugezogen habite vit demeurant reside originaire natif
ne nee vive residente procedente natural originario originaria nacido nacida vecino vecina abita proveniente nato nata
mora nascido nascida vem woont woonachtig afkomstig aus"""
_COUNTIES = """county township borough parish village taluk tehsil mandal prefecture municipality shire reservation
city town district state landkreis kreis gemeinde provincia departement comune municipio gemeente"""
_TOWN_LABELS = """city town village county district place birthplace birth hometown home residence ort wohnort
geburtsort stadt ville commune lieu ciudad localidad lugar poblacion municipio citta comune luogo cidade naturalidade
location woonplaats geboorteplaats"""

_AT: dict[str, dict[str, Any]] = {
    "street, English": {"numbers": True},
    "street in capitals or small letters": {"numbers": True},
    "street without number": {"cues": cues_of("street avenue road lane boulevard crescent terrace"), "reach": 50},
    "street, German or Dutch": {
        "signs": tuple(_GERMAN_STREETS.split()),
        "reach": 40,
    },
    "street, French": {"cues": cues_of(_FRENCH_STREETS), "reach": 10},
    "street, Spanish or Portuguese": {"cues": cues_of(_IBERIAN_STREETS)},
    "street, Italian": {"cues": cues_of("via viale piazza piazzale corso largo vicolo strada contrada")},
    "post box, flat": {"cues": cues_of(_FLATS)},
    "address behind its label": {"cues": cues_of(_ADDRESS_WORDS), "signs": signs_of(_ADDRESS_WORDS)},
    "ZIP behind a state": {"cues": cues_of(_STATES, _STATE_NAMES)},
    "ZIP of nine digits": {"numbers": True},
    "postcode behind its name": {"cues": cues_of(_CODES), "signs": signs_of(_CODES)},
    "postcode, United Kingdom": {"cues": cues_of(_UK, "gir")},
    "postcode in small letters": {"cues": cues_of(_UK)},
    "postcode, Canada": {"cues": frozenset("abceghjklmnprstvxy")},
    "postcode before a town": {"numbers": True, "reach": 3},
    "postcode, Japan, India, Netherlands": {"numbers": True, "signs": ("〒",)},
    "town somebody lives in": {"cues": cues_of(_LIVES_WORDS)},
    "town somebody comes from": {"cues": cues_of(_COMES_WORDS)},
    "town, other languages": {"cues": cues_of(_ELSEWHERE_WORDS)},
    "employer or school": {
        "cues": cues_of(
            "work works worked employed employee employer pupil student teacher nurse job apprentice foreman"
        )
    },
    "coordinates": {"numbers": True, "cues": cues_of("gps lat latitude"), "reach": 1},
    "county or district": {"cues": cues_of(_COUNTIES), "reach": 40},
    "town and state": {"cues": cues_of(_SURE_STATES, _STATE_NAMES), "reach": 32},
    "town behind its label": {"cues": cues_of(_TOWN_LABELS)},
    "place in Chinese, Japanese or Korean": {"script": re.compile("[\u4e00-\u9fff가-힣]")},
    "place in Cyrillic": {"script": re.compile("[А-Яа-я]")},
    "place in Arabic or Hindi": {"script": re.compile("[\u0621-\u064a\u0900-\u0963]")},
}
"""Where each form is tried, as ``Rule`` has it."""


def _rules(forms: dict[str, str], place: Callable[[re.Match[str]], Span | None]) -> tuple[Rule, ...]:
    return tuple(Rule("place", name, re.compile(form), place=place, **_AT[name]) for name, form in forms.items())


_WITHOUT_NAMES = (
    "coordinates",
    "place in Chinese, Japanese or Korean",
    "place in Cyrillic",
    "place in Arabic or Hindi",
)

RULES: tuple[Rule, ...] = (
    *_rules(_ADDRESSES, _street),
    *_rules(_POSTCODES, _postcode),
    *_rules({name: form for name, form in _TOWNS.items() if name not in _WITHOUT_NAMES}, _town),
    *_rules({name: _TOWNS[name] for name in _WITHOUT_NAMES}, whole),
)
