"""Numbers of persons: records, visits, insurances, accounts, licences, cars, devices, national numbers; biometric
marks.

A number is found by the word before it, by the form that a country gives it, or, bare, where it is as long as only
such numbers are. Counts with their unit, trials, genes and codes of terminologies are none.
"""

from __future__ import annotations

import re

from unveil.gate.nouns import STRONG, WEAK
from unveil.gate.rule import APART, Rule, Span, after, alternatives, before, compiled, cues_of, signs_of
from unveil.gate.words import listed

#: "no.", "number", "ID", "#" and the like, as many languages have it.
_NO = (
    r"(?:no|nos|nr|n\.?(?=\s?\d)|n[o°º]|num|number|nummer|numero|numer|id|ids|identifier|identification|"
    r"\#|code|ref|reference|"
    r"号|號|番号|번호|номер|№|رقم|संख्या)"
)
_LINK = r"(?:\s?(?:is|was|are|lautet|est|es|e)\s)?[\s:=\#.()/|\x22\x27-]{0,4}"
_VALUE = r"(?:[A-Za-z]{0,10}[./-]?|(?-i:[A-Z]{1,6})\s)\d[\w./-]{0,40}(?:[\s-]\d[\w./-]{0,20}){0,6}"


def _numbered(found: re.Match[str]) -> Span | None:
    """A weak word's number: with a sign for numbers, or long and no year, no count, no size."""
    value = found["it"]
    if found[0].startswith("REF") and _PRODUCT.search(after(found, 40)):
        return None
    if found["no"]:
        return found.span("it")
    digits = sum(c.isdigit() for c in value)
    if (digits < 4 and not (digits >= 3 and value[0].isalpha())) or re.fullmatch(
        r"(?:19|20)\d\d(?:\s.*|[-/](?:19|20)?\d\d?)?", value
    ):
        return None
    return (
        None
        if _COUNTED.match(after(found, 16))
        or re.fullmatch(r"\d+00|\d+\.\d+|\d{1,3}\s?-\s?\d{1,3}\.?", value)
        or " x " in value
        else found.span("it")
    )


def _numbered_long(found: re.Match[str]) -> Span | None:
    """A value of four digits, or three and a letter, that is no year and no count."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    if found[0].startswith("REF") and _PRODUCT.search(after(found, 40)):
        return None
    if digits < 3 or (digits < 4 and value.isdigit()) or re.fullmatch(r"(?:19|20)\d\d|\d+0{2,}|\d+\.\d+", value):
        return None
    return None if _COUNTED.match(after(found, 16)) else found.span("it")


#: What a maker's catalogue has: "REF 5521-14, femoral stem" is one of thousands, unless its lot is told too.
_PRODUCT = re.compile(
    r"^(?![^\n]*(?:lot|sn|serial|batch|patient)\b)[\s,:(]+(?:\w+\s){0,4}(?:stem|stent|screws?|plate|nail|catheter|coil|"
    r"needle|implant|prosthesis|cup|port|lead|valve|mesh|cage|clip|wire|sheath|balloon|electrode|tube|drain|filter|device)\b"
)
_COUNTED = re.compile(
    r"\s*(?:/\s?(?:u?l|mm|ml|ul|l|hpf|dl|min|mcl)\b|[x×]|cells|copies|iu\b|u\b|ng|pg|mg|ug|g\b|da\b|ml|mm|"
    r"cm|um|nm|hu\b|hz|k?bq|mbq|px|pixels|voxels"
    r"|radiographs?|films|exams|examinations|people|women|men|children|questions|answers|pairs|words|tokens|"
    r"nodules|lesions|"
    r"frames|boxes|rows|annotations|eyes|reads|genes|variants"
    r"|images|patients|cases|studies|scans|slices|iterations|parameters|steps|samples|participants|records|"
    r"reports|ms\b|s\b|per\b|microl|mcg|%|units)"
)
_HARMLESS = re.compile(
    r"(?:platelets?|plt|wbc|rbc|leu[ck]ocytes?|thrombocytes|thrombozyten|leukozyten|erythrocytes|count|"
    r"counts|load|viral|cd4|copies|ferritin|probnp|bnp|nt-probnp|ck|ldh|trop\w*"
    r"|pmid|pmcid|pmc|doi|nct|isrctn|eudract|trial|snomed|snomed-ct|ct|sctid|icd|icd-10|icd-o|cpt|hcpcs|"
    r"loinc|radlex|rid|omim|mesh|umls|cui|rxnorm|atc|drg|opcs|ops|ean|isbn|issn|concept"
    r"|dbsnp|gene|snp|refseq|grch\d+|chr\w*|position|kv|ma|seed|matrix|size|dose|activity|total|about|over|"
    r"around|approximately|population|value|code|codes|score|=|<|>|~|\$|eur|usd)"
    r"(?:\s?(?:is|was|of|code|id|no|number|count))?[\s:#=(.-]*$"
)
_CODES = re.compile(
    (
        r"(?:NCT|PMC|PMID|RID|ISRCTN|GSE|GSM|ENSG|ENST|NM|NP|ICD|CPT|HP|GO|CHEMBL|DB|EC|ISO|IEC|EN|DIN|RFC|C|D|CAS|"
        r"MESH|DRKS|ACTRN|UMIN|CTRI|ChiCTR)[-_:]?\d"
    ),
    re.I,
)


def _bare(found: re.Match[str]) -> Span | None:
    """A number without a word for it: long, no count, no round figure, no code of a register or a terminology."""
    value = found[0]
    if re.fullmatch(r"\d+0{3}", value) or (_CODES.match(value) and not re.match(r"[CD]-?\d{8}", value)):
        return None
    if _COUNTED.match(after(found, 16)) or _HARMLESS.search(before(found, 24)):
        return None
    return found.span()


def _sizes(found: re.Match[str]) -> Span | None:
    """Groups of four digits that are no sizes of a matrix: those are powers of two or one number again and again."""
    groups = re.findall(r"\d+", found[0])
    return found.span() if len(set(groups)) > 1 and not {"1024", "2048", "4096"} & set(groups) else None


#: Forms that countries give their numbers. Where one is a form of other things too, ``_NATIONAL_CASED`` is stricter.
_NATIONAL = r"""(?<![\w.,/-]) (?:
    (?!000|666)\d{3}([-\s])\d{2}\1\d{4}                                          # US social security
  | [2-9]\d{3}([-\s])\d{4}\2\d{4}(?:\2\d{4})?                                    # India, Aadhaar; cards; Japan
  | \d{2}-\d{4}-\d{4}-\d{4}                                                      # India, ABHA
  | \d{3}\.\d{3}\.\d{3}-\d{2} | \d{3}-\d{3}-\d{3}(?:[-\s]\d{2})?                 # Brazil, CPF; Canada; Russia
  | \d{2}\.\d{2}\.\d{2}[-.]\d{3}[.-]\d{2} | 756\.\d{4}\.\d{4}\.\d{2}             # Belgium, Switzerland
  | \d{1,2}\.\d{3}\.\d{3}-[\dk] | \d{2}\.\d{3}\.\d{3}-?[\dxA-Z]                  # Chile, Brazil's RG, Spain
  | (?:\d{2})?\d{6}[-+]\d{4} | \d{6}[-+A]\d{3}[0-9A-Y] | \d{6}-[1-8]\d{6}         # Sweden, Denmark, Finland, Korea
  | \d{6}/\d{3,4}                                                                # Czechia
  | [12]\s?\d{2}\s?(?:0[1-9]|1[0-2]|[2-9]\d)\s?\d[\dAB]\s?\d{3}\s?\d{3}(?:\s?\d{2})?  # France
  | \d{4}[\s-]\d{5}[\s-]\d(?:[\s/-]\d)? | \d{3}\s\d{2}\s\d{4} | \d{2}\s\d{4}\s\d{4}\s\d{4}  # Australia's Medicare
  ) (?![\w]) (?![-/.]\d)"""
_NATIONAL_CASED = r"""(?<![\w-]) (?:
    [A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\ ?\d{2}\ ?\d{2}\ ?\d{2}\ ?[A-D]            # UK, National Insurance
  | [A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]                                  # Italy
  | [A-Z]{4}\d{6}(?:[HM][A-Z]{5}[A-Z0-9]\d|[A-Z0-9]{3})                           # Mexico
  | [A-Z]{5}\d{4}[A-Z] | [STFGM]\d{7}[A-Z] | [A-Z]{1,2}\d{6}\([\dA]\)             # India's PAN, Singapore, Hong Kong
  | \d{8}[-\s]?[A-HJ-NP-TV-Z] | [XYZ][-\s]?\d{7}[-\s]?[A-Z]                       # Spain
  | [1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]
    [AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}  # US
  | [A-Z]{2}\d{2}(?:\ ?[A-Z0-9]{4}){3,7}(?:\ ?[A-Z0-9]{1,3})?                     # IBAN
  | [A-HJ-NPR-Z0-9]{3}(?=[A-Z0-9]*[A-Z])(?=(?:[A-Z]*\d){6})[A-HJ-NPR-Z0-9]{14}    # a vehicle's
  | [A-Z]\d{9} | [A-Z]{2}\d{7} | [A-Z]{3}\d{7}                                    # German insurance, passports, voters
  ) (?![\w]) (?!-\d)"""

_BARE = r"""(?<![^\W\u3040-\u9fff\uac00-\ud7a3]|[.,/^+-])(?<!\d\s) (?:
    \d{6,20}(?:-\d{1,4}|/\d{2,4}|[A-Z]{1,2})?                                      # 00481516, 123456/19
  | (?-i:[A-Z]{1,6})-?\d{5,20}(?:-\d{1,6}){0,3}(?-i:[A-Z]{0,2})                     # H1234567, MR-123456
  | (?-i:[A-Z]{1,6})[-_/]?(?:\d{2}|(?:19|20)\d\d)[-_/]\d{3,12}(?:-\d{1,6})?         # S19-12345, CT-2019-00421
  | \d{2}(?-i:[A-Z]{1,4})[-]?\d{4,12} | \d{2}-\d{5,10}                              # 19RX12345, 19-004211
  | (?-i:[A-Z]{2,5})-\d{2,6}-\d{2,6}(?:-\d{1,6})?                                  # PT-0042-17
  | \d{2}-\d{2}-\d{2}(?:-\d{2})? | \d{3}-\d{2}-\d{3}(?:-\d)? | \d{4}-\d{4} | \d{2,4}-\d{3}-\d{2,4} # terminal digits
  | (?-i:[A-Z])\d{3}-\d{3}-\d{2}-\d{3}(?:-\d)? | (?-i:[A-Z]\d{3})-\d{4}-\d{4}       # US driving licences
  ) (?![\w^+]|[.,]\d|-\d|\s?\d{2})"""
_UUID = (
    r"(?<!\w)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\w) |"
    r" (?<!\w)(?=[a-f]*\d)[0-9a-f]{32}(?:[0-9a-f]{8})?(?:[0-9a-f]{24})?(?!\w)"
)
#: DICOM's own classes and syntaxes, whose parts are short.
STANDARD_UID = r"1\.2\.840\.10008(?>(?:\.\d{1,4}){1,9})(?![\w]|\.\d)"
_UID = (
    rf"(?<![\w.])2\.25\.\d{{6,40}}(?!\w)|(?<![\w.])(?!{STANDARD_UID})(?:[0-2](?>(?:\.\d{{1,39}}){{4,30}})(?!\w) |"
    r"1\.[23]\.8\d\d[\d.]{1,60})"
)
_STATIONS = (
    "queue ae_title aetitle ae aet station_name station workstation hostname host_name host node computer pc "
    "scanner_name device_name"
)
_STATION = (
    rf"(?<!\w){alternatives(_STATIONS)}\s?(?:[:=]|is|was)?\s{{0,2}}[\x22\x27]?(?P<it>(?-i:[A-Z][A-Z0-9]{{2,}}(?:["
    rf"\s_-][A-Z0-9]*\d[A-Z0-9]*|[\s_-][A-Z0-9]+){{0,3}}))(?!\w)"
)
_MARKS = r"""(?<!\w)(?:fingerprints?\s(?:on\ file|taken|match\w*|scan\w*|attached|record\w*|
    of\ (?:his|her|the\ patient)|id|
    was|were|stored|hash)
    |(?:retinal?|iris|palm|face)[\s-](?:scan|print|template|code|id|recognition)s?\s?(?:id|no|on\ file|hash|
    template|[:=]|stored|match\w*)|voice\s?prints?|voice\srecordings?\sof
    |biometrics?\s(?:id|record|template|identifier|data|match\w*|hash)s?|facial\srecognition\s(?:id|template|
    match|hash)|fingerabdr(?:uck|ucke)|empreintes?\sdigitales?
    |huellas?\s(?:dactilar|digital)(?:es)?|impront[ae]\sdigital[ei]|impress(?:ao|oes)\sdigita(?:l|is)|
    dna\sprofile\s(?:id|no|on)|genetic\sfingerprint
    |full[\s-]face\sphoto\w*|指纹|指紋|지문|虹膜识别|отпечат\w+\sпальц\w+)(?!\w)"""
_LAST_FOUR = (
    r"(?<!\w)(?:last|final)\s(?:four|4|3|three)(?:\sdigits)?(?:\sof\s(?:the\s|his\s|her\s)?(?:ssn|"
    r"social\ssecurity(?:\snumber)?|card|account|mrn|phone|id))?\s?(?:is|are|:|were|"
    r"=)?\s?(?P<it>\d{3,4})(?!\w) | (?<!\w)(?:ssn|mrn|acct|account|card|id)\sending\s(?:in\s|"
    r"with\s)?(?P<end>\d{2,6})"
)


def _cued(kind: str, words: str) -> Rule:
    pattern = (
        rf"{APART}{alternatives(words)}(?![^\W\d_])\.?\s?{_NO}?{_LINK}(?P<it>(?:\([A-Za-z]{{2,8}}\)\s?)?"
        rf"{_VALUE})"
    )
    return Rule(
        kind,
        f"{kind} after its name",
        compiled(pattern),
        cues_of(words),
        signs_of(words),
        place=_of_person if kind == "record number" else _of_three,
    )


def _of_person(found: re.Match[str]) -> Span | None:
    """Not the size, percentage or count that a short word such as "PAN" or "FIN" may stand before."""
    digits = sum(c.isdigit() for c in found["it"])
    return None if digits < 4 and _COUNTED.match(after(found, 16)) else found.span("it")


def _of_three(found: re.Match[str]) -> Span | None:
    """As ``_of_person``, of three digits and more or letters between two: "policy 2", "licence CC0" are none."""
    sure = sum(c.isdigit() for c in found["it"]) > 2 or re.search(
        r"[A-Z]\d[A-Z]+\d|\d[A-Z]\d|^[A-Z]{2}\d\d$", found["it"]
    )
    return _of_person(found) if sure else None


_NUMBER_SIGN = (
    r"(?<!\w)(?<!fig\s)(?<!figure\s)(?:no|nr|num|number|id|ref|reference)(?:\.|:|\s\#|\#|"
    r"\s)\s?:?\s?(?P<it>(?=[\w./-]*\d)(?=(?:\w[./-]?){4})[\w][\w./-]{3,30})"
)
_ROOM = (
    r"(?<!\w)(?:room|rm|bed|ward|bay|cubicle|locker|pod|chair|theatre|suite|zimmer|bett|chambre|lit|"
    r"habitacion|cama|stanza|letto|quarto|"
    r"leito)\.?\s(?:(?:no|nr|number)\.?\s)?\#?(?P<it>\d{1,4}-?(?-i:[A-Z])|\d{3,4}(?:-\d{1,2})?)(?![\w.]\d|\w|"
    r"\s?(?:mm|cm|ml|%|x))"
)
_TOKEN = (
    r"(?<!\w)(?:api[\s-]?keys?|access\s(?:key|token)|tokens?|passwords?|passwd|pwd|passcode|secret|"
    r"licen[cs]e\skey|product\skey|serial\skey|activation\s(?:key|code)|bearer|credentials?|kennwort|passwort|"
    r"contrasena|senha|mot\sde\spasse)\s?(?:is\s|[:=]\s?)?[\x22\x27]?(?P<it>(?=[^\s\x22\x27]*\d)(?=\d{6}|"
    r"[^\s\x22\x27]*[A-Za-z])[^\s\x22\x27]{5,200})|(?<!\w)(?-i:sk|pk|ghp|hf|xoxb|AKIA|AIza)[-_]?\w{16,80}"
)

#: A noun that ends in "number" ("Konservennummer", "Kunden-Nr.") and the sign: "gantry #4471".
_COMPOUND = (
    rf"(?:nummer|numeret|kennung|kennzeichen|zeichen|(?<=[a-z])nr|-nr|-id|-no)\.?(?![^\W\d_])\s?(?:is\s|"
    rf"ist\s|lautet\s)?"
    rf"[:=\#.]{{0,2}}\s?(?P<it>{_VALUE})|(?<![\w\#&])\#\s?(?P<sign>(?=[\w-]*\d\d\d)[\w-]{{4,24}})(?!\w)"
)


def _compound(found: re.Match[str]) -> Span | None:
    if found["sign"]:
        many = re.search(
            r"(?:slice|image|series|frame|figure|lesion|table|issue|pr|step|epoch)s?\s?$", before(found, 8)
        )
        return None if many or re.fullmatch(r"[0-9a-f]*[a-f][0-9a-f]*", found["sign"], re.I) else found.span("sign")
    return _numbered_long(found)


#: Any short form in capitals and a long number: "AN 88120-62", "XKV: 5512097".
_ABBREVIATED = (
    r"(?<![\w.-])(?-i:[A-Z]{2,6})(?:\s?[:#.=]{1,2}\s?|\s(?:(?:no|nr|id|"
    r"number)\.?:?\s)?)(?P<it>(?-i:[A-Z]{0,4})-?\d{3,12}(?:[-/]\d{1,8}){0,3}"
    r"(?-i:[A-Z]{0,2}))(?![\w]|[.,]\d|[-/]\w|\s?(?:x|to|of|-)\s?\d)"
)
_UNITLESS = listed("""TR TE TI FA BW FOV WW WL HU SUV DLP CTDI KV KVP MA MAS MGY WBC RBC PLT HGB HB HCT BNP CRP ESR
CK LDH
ALT AST
ALP GGT PSA CEA AFP HCG TSH CD HCPCS CPT ICD SNOMED LOINC CT MR MRI PET US XR CR DX MG NM RF OT RID PMID DOI
DRG OPS ATC NCT CUI EC ISO IEC DIN EN RFC IEEE GPU CPU RAM HTTP PORT TCP SSH RGB SD SEM CI OR HR RR AUC AP PA
LL RL LAT SE IM IMG FIG TAB REF NB IU MBQ GBQ MCI BQ GY SV MSV MEQ EUR USD GBP INR CHF JPY MIMIC TCIA LIDC
RSNA NIH NLST TOTAL MAX MIN AVG STEP SEED EPOCH BATCH SOURCE OUTPUT INPUT SIZE COUNT DOSE RATE VALUE SCORE
INDEX LEVEL GENE CHR POS EGFR HLA COVID SARS OMIM HGNC ETL NEX NSA PH PO ML MM CM KG LBS MB GB TB KB DPI PPI
HZ MHZ FPS ADC""")


def _abbreviated(found: re.Match[str]) -> Span | None:
    """Behind a short form that is no value's: five digits, or letters and three with a sign between."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    short = found[0].split(value)[0].strip(" :#.=").split()[0].rstrip(":#.=")
    few = digits < 5 and not (value[0].isalpha() and digits > 3)
    if (
        few
        or short in _UNITLESS
        or re.fullmatch(r"\d+0{3}", value)
        or _CODES.match(value)
        or _COUNTED.match(after(found, 16))
    ):
        return None
    return None if re.fullmatch(r"(?:19|20)\d\d[-/](?:19|20)?\d\d|\d{1,4}[-/]\d{1,4}", value) else found.span("it")


_WEAK_FORM = rf"{APART}{alternatives(WEAK)}s?[\s.,-]{{0,2}}(?P<no>{_NO}(?![^\W\d_])\.?|\#)?{_LINK}(?P<it>{_VALUE})"

_ROOMS = (
    "room rm bed ward bay cubicle locker pod chair theatre suite zimmer bett chambre lit habitacion cama "
    "stanza letto quarto leito"
)
_SECRETS = """api access token tokens password passwords passwd pwd passcode secret licence license product serial
activation bearer credential credentials kennwort passwort contrasena senha mot sk pk ghp hf xoxb akia aiza"""
_BODY = """fingerprint fingerprints retina retinal iris palm face voice voiceprint biometric biometrics facial
fingerabdruck empreinte empreintes huella huellas impronta impronte impressao impressoes dna genetic full 指纹 指紋
지문 虹膜 отпечат"""

RULES: tuple[Rule, ...] = (
    *(_cued(kind, words) for kind, words in STRONG.items()),
    Rule(
        "record number",
        "number after a sign for it",
        compiled(_NUMBER_SIGN),
        cues_of("no nr num number id ref reference"),
        place=_numbered_long,
    ),
    Rule(
        "record number",
        "number behind a compound",
        compiled(_COMPOUND),
        signs=("nummer", "numeret", "kennung", "zeichen", "nr", "-id", "-no", "#"),
        place=_compound,
    ),
    Rule("record number", "room or bed", compiled(_ROOM), cues_of(_ROOMS)),
    Rule(
        "record number",
        "number behind a short form",
        compiled(_ABBREVIATED),
        numbers=True,
        reach=12,
        place=_abbreviated,
    ),
    Rule("other number", "key or password", compiled(_TOKEN), cues_of(_SECRETS)),
    Rule("record number", "number after a word", compiled(_WEAK_FORM), cues_of(WEAK), signs_of(WEAK), place=_numbered),
    Rule("national number", "national form", compiled(_NATIONAL), numbers=True, place=_sizes),
    Rule(
        "national number", "national form with letters", compiled(_NATIONAL_CASED, cased=True), numbers=True, reach=None
    ),
    Rule("record number", "bare number", compiled(_BARE), numbers=True, reach=None, place=_bare),
    Rule(
        "record number",
        "last digits",
        compiled(_LAST_FOUR),
        cues_of("last final ssn mrn acct account card id"),
        place=lambda found: found.span(),
    ),
    Rule("other number", "UUID or hash", compiled(_UUID), numbers=True, reach=None),
    Rule("device", "UID", compiled(_UID), numbers=True),
    Rule("device", "name of a station", compiled(_STATION), cues_of(_STATIONS)),
    Rule("biometric", "biometric mark", compiled(_MARKS), cues_of(_BODY), signs_of(_BODY)),
)
