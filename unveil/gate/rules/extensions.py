"""Short numbers by which a house reaches somebody: extensions, pagers and bleeps, wireless telephones, in many
languages; and telephone numbers behind a letter, in slips of OCR, or a few words behind the word for it.

Words that are said of much else ("int." is also internal, "sein" a breast, "poste" a place) want more digits than
those that are said of a pager alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from unveil.gate.rule import APART, Rule, Span, after, alternatives, before, compiled, cues_of, signs_of, whole
from unveil.gate.units import MEASURED, YEAR

#: Said of a short number alone: three digits follow.
_SURE = """ext ext. extn extns exts bleep bleeps bleeper pager pagers beeper pagernr pager_no vocera dect dect-nr
dect_no
durchwahl durchwahlen dw nebenstelle nst. app. int. telefono_interno tel_interno lokal funk funkruf funknummer funk-nr
funknr piepser pieper piepernr rufnr rufnummer
bip buscapersonas busca buscas anexo interfono ramal ramais cercapersone cercap teledrin cicalino toestel tst tst.
seinnr
seinnummer pieper wew wew. wewn wewn. wewnetrzny wewnetrzna pejdzer dahili dahilisi dahili_no cagri_cihazi sok sokare
personsokare sokarnr personsoker anknytning ankn ankn. anknr lokalnr lokalnummer callingnr callingnummer calling
klapka linka tfno tlf tlf. tlfnr tfn mellek доб вн внутр внутренний пейджер εσωτερικο 内線 内线 내선 تحويلة"""
#: Said of other things too: four digits, or two parts of unlike length.
_UNSURE = """kl. bel ring bipper int interno interior poste postes sein funk apparat lokal internal interne extension
extensions extension. linea linha telephone phone phones callback hotline desk deskphone voip mobile handset
switchboard"""
_GO_ON = (
    r"(?:\s?(?:[,/&;(]|or|then|and|oder|und|ou|et|o|y|e|of|en|eller|och|og|lub|i|veya|ve)\s?\(?"
    r"(?:(?:nacht|nachts|night|nights|nuit|noche|notte|noite|noc|natt|gece|day|tag|abends?|avond|avv|sat|we|weekend|"
    r"after\shours|then|else|sonst)\.?:?\s)?(?:\d{1,2}[-./]\d{3}|\d{3,6})(?![\w,.]?\d)){0,4}"
)
_FIRST = r"\#?\*?(?:\d{1,4}[-./]\d{2,5}|\d{2,6}\s\d{2,4}|\d{2,6})(?![\w]|[.,/-]\d)"
_BEHIND = (
    rf"{APART}{alternatives(_SURE)}(?![^\W\d_])\.?[\s:=\#(]{{0,3}}(?:(?:no|nr|n[o°]|number|nummer|numer|numero|num|"
    rf"is|ist|"
    rf"on|to|auf|unter|al|au|op|pa|pod|(?:du|de|del|della|do|da|der|des|of|for|fur|van)\s\w{{2,14}}|radiology|"
    rf"radiologie|rx|the)\b\.?[\s:=\#]{{1,3}}){{0,3}}(?P<it>{_FIRST}{_GO_ON})"
)
_BEHIND_UNSURE = (
    rf"{APART}{alternatives(_UNSURE)}(?![^\W\d_])\.?[\s:=\#(]{{0,3}}(?:(?:no|nr|n[o°]|number|nummer|numer|numero|num|"
    rf"is|on)"
    rf"\b\.?[\s:=\#]{{1,2}}){{0,2}}(?P<it>(?:\d{{1,2}}[-.]\d{{3,4}}|\d{{2}}\s\d{{2}}|\d{{4,6}})(?![\w]|"
    rf"[.,/-]\d){_GO_ON})"
)
#: "x 2231" and "x5-2209": no size, which has a number before it.
_CROSSED = r"(?<![\w.×/-])x\s?(?P<it>\d-\d{3,4}|\d{4,5})(?![\w]|[.,/-]\d)"
_SIGNED = r"(?<![^\W_])ext(?:n|ension)?\s?[=:.]\s?(?P<it>\d{1,6})(?![\w]|[.,]\d)"
_CALLS = """call calls ring rings page bleep beep phone sok reach reached contact contacted dial text message whatsapp
me us
available reachable contactable back reg registrar sho spr consultant fellow resident intern houseman doctor nurse
sister
matron secretary secretaries office desk reception radiographer radiographers technician tech porter porters coordinator
anrufen erreichbar ruckruf melden joindre joignable rappeler appeler llamar localizable avisar chiamare reperibile ligar
contactar bellen bereikbaar dzwonic zadzwonic prosze ring ringa nas nar ringes arayin arayiniz"""
_ON = (
    rf"(?<![^\W_]){alternatives(_CALLS)}(?![^\W\d_])[^\n\d.;]{{0,32}}?[\s(]"
    r"(?:on|at|via|to|unter|auf|au|al|allo|op|pa|pod|no|em|ved|en\sel|en\sla|nel|op\shet|il|lo|het)\s\#?(?P<it>\d-\d{3,4}|"
    r"\d{2}\s\d{2}|\d{4,5})(?![\w]|[.,/-]\d|\s\d)"
)
_I_AM = r"(?<![^\W_])(?:i'?m|i\sam|we'?re|am|is)\son\s(?P<it>\d-\d{3,4}|\d{4,5})(?![\w]|[.,/-]\d)"
_PAGED = r"(?<![^\W_])page\s(?P<it>\d{4,5})\s(?:when|if|once|for|please|pls|asap|before|after|with|stat|urgently)(?!\w)"
#: "vakttelefon 44172", "reading room is 4-4417".
_COMPOUND = (
    r"(?<![^\W_])[a-z]{2,16}-?(?:telefon|telefonen|telefoon|telefono|handy|pieper|piepser|sokare|bleep|pager|dect)\.?\s?"
    r"(?:nr\.?|no\.?|:|ist|is|er)?\s{0,2}(?P<it>\d{1,2}-\d{3,4}|\d{3,6})(?![\w]|[.,/-]\d)"
)
_ROOM = (
    r"(?<![^\W_])(?:room|desk|office|control|reception|theatre|workroom|registry|lab|ward|pharmacy|switch|leitstelle|"
    r"pforte|secretariat|sekretariat)\s?(?:is|on|at|:|=|\()?\s?(?P<it>\d-\d{4}|\d{5})(?![\w]|[.,/-]\d)"
)
_DASHED = (
    r"(?<![^\W_])(?:tel|telefon|ruckruf|durchwahl|dw|apparat|app|rufnummer|fon|anruf)\.?:?\s(?:bitte\s|unter\s|"
    r"auf\s){0,2}"
    r"(?P<it>-\d{3,5})(?![\w.,-])"
)
#: "f: 555.0138", "M 0170/..." as business cards and letterheads shorten it.
_LETTERED = r"(?<![\w.])[tfmphc]\s?[:.]\s?(?P<it>\(?\d{3}\)?[.\s-]\d{4}|\+?\d[\d\s()/.-]{7,18}\d)(?![\w]|[.,]\d)"
_PHONES = """tel telefon telefono telefone telephone telefoon phone phones ph fon mob mobile mobil mobiel movil cel
celular
cell cellulare cellulaire portable handy gsm zap zapzap whats whatsapp wpp wasap wsp wa signal telegram viber sms fax
telefaks faks komorka kom cep contact contatto contato contacto kontakt number numero nummer numer ring ruckruf
jourmobil erreichbar joignable localizable bereikbaar dzwonic zadzwonic callback"""
_SOME_WORDS = (
    rf"{APART}{alternatives(_PHONES)}(?![^\W\d_])[^\n\d+(=]{{1,30}}?(?P<it>\(?\+?\d[\d\s()./-]{{6,20}}\d)"
    r"(?![\w]|[.,/-]\d)"
)
_MISREAD = (
    rf"{APART}{alternatives(_PHONES)}(?![^\W\d_])[.:\s]{{1,3}}"
    r"(?P<it>(?-i:\+?[\dOolI|SBZ][\dOolI|SBZ\s().-]{6,20}))(?!\w)"
)


def _short(found: re.Match[str]) -> Span | None:
    """Three digits or more, no count, no degrees."""
    digits = sum(c.isdigit() for c in found["it"])
    return None if digits < 2 or MEASURED.match(after(found, 12)) or _sized(found, 3) else found.span("it")


def _long(found: re.Match[str]) -> Span | None:
    """As ``_short`` behind a word of much else: no year, no round figure."""
    value = found["it"]
    round_one = re.fullmatch(r"\d{1,3}0{2,}", value) or YEAR.fullmatch(value) or _sized(found, 4)
    return None if round_one or MEASURED.match(after(found, 12)) else found.span("it")


def _sized(found: re.Match[str], least: int) -> bool:
    """Whether it is shorter than such numbers are, or a range of degrees: "ext 30-45"."""
    first, *rest = re.findall(r"\d+", found["it"])
    if not rest:
        return len(first) < (2 if found[0].lower().startswith("cercap") else least)
    return len(first) == len(rest[0]) < 3 and found[0].lower().startswith("ext")


def _crossed(found: re.Match[str]) -> Span | None:
    """No product: "512 x 1024", "12 mm x 2000"."""
    value = found["it"]
    size = re.search(r"(?:[\d)%]|mm|cm|px|um|original|magnification|matrix|dose|ratio)\s?$", before(found, 16))
    plain = re.fullmatch(r"\d+00|1024|2048|4096|8192", value) or MEASURED.match(after(found, 12))
    return None if size or plain or re.match(r"\s?g\b", after(found, 4)) else found.span("it")


def _phone(found: re.Match[str]) -> Span | None:
    """Seven digits and more, which are no rows of sizes."""
    digits = sum(c.isdigit() for c in found["it"])
    return None if not 7 <= digits <= 15 or MEASURED.match(after(found, 12)) else found.span("it")


def _misread(found: re.Match[str]) -> Span | None:
    """Digits and the letters that OCR takes for them, as many as a telephone number has."""
    value = found["it"].strip()
    signs, digits = sum(c.isalnum() for c in value), sum(c.isdigit() for c in value)
    return found.span("it") if 6 <= signs <= 15 and digits * 3 >= signs and not value.isdigit() else None


def _kind(name: str, pattern: str, words: str, place: Callable[[re.Match[str]], Span | None]) -> Rule:
    return Rule("phone or fax", name, compiled(pattern), cues_of(words), signs_of(words), place=place)


RULES: tuple[Rule, ...] = (
    _kind("pager or extension", _BEHIND, _SURE, _short),
    _kind("extension behind a word of much else", _BEHIND_UNSURE, _UNSURE, _long),
    _kind("extension behind a cross", _CROSSED, "x", _crossed),
    _kind("extension with a sign", _SIGNED, "ext extn extension", whole),
    _kind("extension that somebody is on", _ON, _CALLS, _long),
    _kind("extension that I am on", _I_AM, "i i'm we am is", _long),
    Rule(
        "phone or fax",
        "compound of a telephone",
        compiled(_COMPOUND),
        signs=("telefo", "handy", "pieper", "piepser", "sokare", "bleep", "pager", "dect"),
        reach=18,
        place=_short,
    ),
    _kind(
        "extension of a room",
        _ROOM,
        """room desk office control reception theatre workroom registry lab ward pharmacy switch leitstelle pforte
        secretariat sekretariat""",
        _long,
    ),
    _kind("pager that is paged", _PAGED, "page", _long),
    _kind(
        "extension behind a dash", _DASHED, "tel telefon ruckruf durchwahl dw apparat app rufnummer fon anruf", whole
    ),
    _kind("number behind a letter", _LETTERED, "t f m p h c", _phone),
    _kind("number some words behind its name", _SOME_WORDS, _PHONES, _phone),
    _kind("number misread", _MISREAD, _PHONES, _misread),
)
