"""Numbers, keys and machines by the shape of one word alone, or by a shape and a noun before it.

Nothing in a report looks like "7GH2-KLP9-0QWX" or "a4bb6d3e90f2" but what a registry, a maker or a computer made up.
Codes by name, genes, tracers, models and sequences have such shapes too; they are told apart here.
"""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, after, alternatives, before, compiled, cues_of, signs_of, whole
from unveil.gate.rules.numbers import STANDARD_UID
from unveil.gate.words import harmless, listed

#: What has letters and digits and is public: trials, genes, terminologies, tracers, machines' and models' names.
_PUBLIC = re.compile(
    r"""(?:NCT\d|PMC\d|PMID|ISRCTN|EUDRACT|DRKS|ACTRN|UMIN|CTRI|CHICTR|GSE\d|GSM\d|ENS[GTP]\d|N[MPRC]\d|RS\d|RID\d|
    ICD|CPT|
    LOINC|HGNC|UNIPROT|CHEMBL|DOI|10\.\d|ARXIV|ISO|IEC|EN\d|DIN|RFC\d|IEEE|AAPM|ASTM|GRCH|HG\d|CHR\d|
    COVID|SARS|H\dN\d|HLA|CD\d|IL\d|PD-?L|CK\d|CYP|BRCA|BRAF|KRAS|NRAS|EGFR|IDH|JAK|TP53|HER2|CA-?\d|
    T\d[A-D]?N\d|[PYCR]{1,2}T\d|TI-?RADS|BI-?RADS|PI-?RADS|LI-?RADS|LUNG-?RADS|O-?RADS|AJCC|RECIST|MRECIST|
    TC-?99|99M|I-?1[23]\d|F-?18|18F|GA-?6[78]|6[78]GA|LU-?177|177LU|IN-?111|111IN|Y-?90|90Y|RA-?223|XE-?133|CR-?51|
    GPT|LLAMA|QWEN|RESNET|DENSENET|VIT|EFFICIENTNET|SWIN|CLIP|BERT|T5|MISTRAL|GEMMA|GEMINI|CLAUDE|MI\d{3}|RTX|GTX|
    [AHVLB]\d{2,3}(?:-|$)|SM\d|FP\d|BF\d|INT\d|UINT\d|FLOAT\d|UTF|SHA|MD5|AES|RGB|HEX|
    MIMIC|CHEXPERT|PADCHEST|VINDR|BRATS|LIDC|LUNA|NLST|TCGA|TCIA|ADNI|RSNA|SIIM|NIH|IU-|ROCO|SLAKE|VQA|COCO|OASIS|
    \d+[DX](?![A-Z0-9]{2})|FLAIR|MPRAGE|DWI\d?|ADC|SE\d|GRE\d|TSE|FSE|TR\d|TE\d|TI\d|FOV|KV|MAS|CTDI|DLP|SUV|HU|SPO2|
    FIO2|
    [CTLS]\d{1,2}[-/]?[CTLS]?\d|H\d?K\d+M|V\d+\.|VERSION|SEGMENT|SERIES|IMAGE|SLICE|FIGURE|TABLE|GRADE|STAGE|LEVEL|TYPE|WHO|
    E\dV\dM\d|ASIA|ISUP|ECOG|NYHA|ASA\d|GCS|MMSE|APACHE|SOFA|MELD|CHA2DS2|HAS-BLED|FIB-?4|HBA1C|PT\d|PN\d|C57BL|
    JPEG\d|DICOM|HL7|FHIR|CDA|MPEG|H26[45]|X-?RAY)""",
    re.I | re.X,
)
_SCIENCE = re.compile(
    r"(?!0\d)(?:[A-Z]{0,6}[ACDEFGHIKLMNPQRSTVWY]\d{1,4}[ACDEFGHIKLMNPQRSTVWY*X]|"
    r"\d+(?:[.,]\d+)?[a-zA-Zµμ]{1,6}[23]?(?:/[a-zA-Z]{1,6}\d?){0,3}|"
    r"(?:\d+[x×]){1,3}\d+\w{0,4}|\d+(?:st|nd|rd|th|s)|[cpgm]\..*|\w{1,4}=.*|[A-Z]?\d{1,3}-[A-Z]?\d{1,3}|"
    r"\d+(?:-\d+)?%?|"
    r"[A-Za-z]{1,4}\d{1,3}(?:[-/][A-Za-z]{0,4}\d{1,3}){1,4}|(?:19|20)\d\d(?:[-/].*)?|[A-Z]\d\d(?:\.\w{1,4})?)",
)
_UNITS = re.compile(r"\s?(?:mm|cm|ml|mg|kg|hu|hz|kvp?|mas?|ms|mgy|msv|mbq|px|pixels|%|x\s?\d|×)(?!\w)", re.I)


def _runs(token: str) -> int:
    """Runs of letters and of digits in a word."""
    return len(re.findall(r"[A-Za-z]+|\d+", token))


def _made_up(token: str) -> bool:
    """Whether a word is of letters and digits as only machines and registries write it."""
    letters, digits = sum(c.isalpha() for c in token), sum(c.isdigit() for c in token)
    if digits < 3 or not letters or len(token) < 6 or _PUBLIC.match(token) or _SCIENCE.fullmatch(token):
        return False
    parts = [part for part in re.split(r"[-_/.:]", token) if part]
    mixed = sum(1 for part in parts if re.search(r"[A-Za-z]\d|\d[A-Za-z]", part))
    words = [word for word in re.findall(r"[A-Za-z]{4,}", token) if harmless(word)]
    if words:
        return digits > 5 and not re.search(r"[a-z]{4}", token)
    if len(parts) == 1:
        runs = _runs(token)
        if re.search(r"[a-z]", token) and re.search(r"[A-Z]", token) and len(token) < 16:
            return runs > 5
        return runs > 4 or (runs == 4 and digits > 3) or (runs == 3 and digits > 4) or (digits > 4 and runs == 2)
    upper = token.upper() == token
    if not upper and token.lower() != token:
        return len(token) > 15 and mixed > 1
    return digits > 3 and (upper or digits > 5) and (mixed > 0 or digits > 4) and _runs(token) > 2


def _token(found: re.Match[str]) -> Span | None:
    token = found[0].rstrip(".-_/:")
    if _UNITS.match(after(found, 8)) or re.search(r"(?:\bv|version|model|type|rev)\s?$", before(found, 9)):
        return None
    return (found.start(), found.start() + len(token)) if _made_up(token) else None


def _machine(found: re.Match[str]) -> Span | None:
    """ "PHILIPS-RM4-NORDFLYGEL": three parts in capitals, a number in one and a word that nobody knows in another."""
    parts = re.split(r"[-_]", found[0])
    if _PUBLIC.match(found[0]) or not any(re.search(r"\d", part) for part in parts):
        return None
    own = [part for part in parts if len(part) > 4 and part.isalpha() and not harmless(part) and part not in _SEQUENCES]
    return found.span() if own else None


_SEQUENCES = listed(
    """MPRAGE FLAIR SPACE HASTE BLADE PROPELLER DIXON VIBE TRUFI CISS FIESTA TRICKS TWIST THRIVE LAVA"""
)


def _groups(found: re.Match[str]) -> Span | None:
    """Groups of digits as cards and registries print them; no sizes, no thousands, no row of a table."""
    groups = re.findall(r"\d+", found[0])
    sizes = {"256", "512", "768", "640", "480", "384", "320", "1024", "192", "224", "2048", "4096", "128", "000"}
    if sizes & set(groups) or len(set(groups)) < 2 or not 9 <= sum(map(len, groups)) <= 16:
        return None
    if _UNITS.match(after(found, 8)) or re.search(
        r"[\d=<>~]\s?$|(?:hu|range|matrix|between|from)\s$", before(found, 8)
    ):
        return None
    return found.span()


_NOUNS = """host hostname server node pc computer workstation console station terminal machine scanner device modality
gateway router switch printer queue share mount volume bucket database db schema table_space cluster container pod job
session ssid wifi wlan network domain login user username account logon operator profile token key licence license
serial batch lot code tag sticker barcode label dongle detector panel tube probe transducer coil injector pump monitor
ventilator bed_sensor sensor badge card implant generator pacemaker lead prosthesis stent valve mesh tray cassette
plate archive pacs ris ae aet aetitle destination source from_host ip mac ethernet_address address asset inventory
invoice claim voucher docket ticket reference ref request order requisition booking sample specimen vial slide block
tissue tube_no donor unit bag product consignment crate box locker folder file volume_no chart dossier envelope
cover cd dvd usb disk disc tape portal app request_id uid uuid hash checksum fingerprint signature version_of_record
gerat rechner drucker konsole server scanner sensor charge seriennummer chargen lizenz lizenzschlussel benutzer konto
aufkleber etikett implantat sonde kennwort netz netzwerk arbeitsplatz appareil serveur poste imprimante lot_no console
etiquette carte implant_no sonde_no equipo servidor impresora consola etiqueta tarjeta lote implante usuario apparecchio
stampante scheda lotto impianto utente aparelho impressora cartao usuario apparaat printer toestel"""
_BETWEEN = (
    r"(?:\s?(?:no|nr|id|code|name|number|num|title|called|named|is|was|reads?|shows?|says|the|at|of|on|with|to|"
    r"key|der|des|la|le|el|n|card|chip|model|\#)\b\.?){0,3}[\s:=\x22\x27(\[#>/-]{1,4}"
)
_NOUN = rf"(?<![^\W_]){alternatives(_NOUNS)}s?(?![^\W\d_]){_BETWEEN}(?P<it>[A-Za-z0-9][\w@./-]{{3,60}})"


def _of_noun(found: re.Match[str]) -> Span | None:
    """Behind such a noun: letters and digits, or parts of which none is a word of medicine."""
    token = found["it"].rstrip(".-_/")
    if _PUBLIC.match(token) or _SCIENCE.fullmatch(token) or _UNITS.match(found.string[found.end() : found.end() + 8]):
        return None
    digits, letters = (sum(test(c) for c in token) for test in (str.isdigit, str.isalpha))
    parts = [part for part in re.split(r"[\W\d_]+", token) if part]
    if (
        not letters
        or (parts and all(len(p) > 2 and harmless(p) for p in parts))
        or re.match(r"[A-Z][a-z]+-\d{1,2}$", token)
    ):
        return None
    fits = (
        digits > 2
        or (digits > 0 and len(parts) > 1 and re.search(r"[-_.]", token))
        or token.count("-") > 1
        or "_" in token
    )
    fits = fits or (token.isupper() and re.search(r"[-_]", token) and not harmless(token))
    return (
        (found.start("it"), found.start("it") + len(token))
        if (fits and not re.search(r"[a-z]-[a-z]", token[:40])) or (fits and digits)
        else None
    )


_QUOTED = (
    r"(?<![^\W_])(?:host|server|pc|computer|workstation|console|station|machine|scanner|gerat|rechner|"
    r"drucker|printer|ssid|wifi|"
    r"wlan|network|konsole|tag|user|login|account|share|folder|file|album|archive|queue|node|arbeitsplatz|"
    r"appareil|equipo|"
    r"database|bucket|project)\s(?:\w{1,8}\s)?[\x22\x27(\[](?P<it>[\w][\w .@/-]{2,40})[\x22\x27)\]]"
)


def _quoted(found: re.Match[str]) -> Span | None:
    words = re.findall(r"[^\W\d_]{2,}", found["it"])
    return None if words and all(map(harmless, words)) and not re.search(r"\d\d", found["it"]) else found.span("it")


_LOGIN = (
    r"(?<![^\W_])(?:(?:modified|created|uploaded|entered|edited|locked|deleted|opened|exported)\sby:?|"
    r"log-?in|logged\sin\sas|log(?:ged)?\son\sas|logon|user|username|user\sname|userid|"
    r"signed\sin\sas|sudo\s-u|benutzer|"
    r"utilisateur|usuario|utente|gebruiker|ssh|rsync|scp)\s(?:as\s|is\s|id\s|"
    r"name\s)?[\x22\x27]?(?P<it>[a-z][a-z0-9._-]{3,30})"
    r"(?=[\s,.;\x22\x27)]|$)"
)


def _login(found: re.Match[str]) -> Span | None:
    """A name of an account: no word of every text and no English verb's form."""
    name = found["it"].rstrip(".")
    ends = re.search(
        r"(?:ed|ing|ly|tion|ment|able|face|name|names|level|group|study|error|guide|input|page|query|data)s?$", name
    )
    known = harmless(name) or name in _AFTER_LOGIN or (ends and not re.search(r"\d", name))
    return None if known else (found.start("it"), found.start("it") + len(name))


_AFTER_LOGIN = listed("""with that this from into when where which will would could should must have does were been
before after then
than credentials experience manual required requires needs account accounts screen interface asks prompt
prompts message messages role roles turn turns session password again failed fails here there without because
between upon over under across against your their only also used uses wants asked said says""")
_AT_HOST = r"(?<![\w.@/])(?P<it>[a-z][\w.-]{2,30}@[a-z][\w-]{3,40})(?![\w.]*\w@)(?=:|\s|$|[,;)/])"


def _at_host(found: re.Match[str]) -> Span | None:
    metric = re.match(
        r"(?:iou|map|ap|ar|recall|precision|top|hit|hits|acc|accuracy|auc|fpr|tpr|sens|spec|froc|pass|ndcg)@",
        found[0],
        re.I,
    )
    return None if metric else found.span("it")


_OPTION = (
    r"(?<![\w-])-{1,2}(?:aec|aet|aem|call|calling|called|host|hostname|user|username|login|server|"
    r"password|peer|node|patient|"
    r"mrn|accession|name|uid|institution|station|scp|dest|"
    r"remote)[\s=]\s?[\x22\x27]?(?P<it>[A-Za-z0-9][\w.@:/-]{2,60})"
)
_SECRET = (
    r"(?<!\w)(?:pass(?:word|code|phrase|wd)?|pwd|pin(?:\scode)?|kennwort|passwort|contrasena|senha|"
    r"mot\sde\spasse|wachtwoord|"
    r"api[\s-]?key|token|secret|\w{0,12}key)\b[^:=\n]{0,32}[:=]\s?[\x22\x27]?(?P<it>(?=[^\s\x22\x27]"
    r"{0,60}[\d!#$%&*?])[^\s\x22\x27,;()]{4,80})"
)


def _secret(found: re.Match[str]) -> Span | None:
    value = found["it"]
    letters = sum(c.isalpha() for c in value)
    plain = re.fullmatch(r"[\d.,]+\w{0,3}|[\d.,]+[-/x][\d.,]+\w{0,3}|\[.*|[A-Za-z]+[.?!]", value)
    return None if plain or not letters or _SCIENCE.fullmatch(value) else found.span("it")


_PART_OF_UID = rf"(?<!\w)(?<!\d\.)(?!{STANDARD_UID})\d{{1,39}}(?>(?:\.\d{{1,39}}){{5,40}})(?!\w)"
_INTERNAL = (
    r"(?<![\w.@-])(?:[A-Za-z0-9][\w-]{0,40}\.){1,5}(?:local|lan|intranet|internal|intern|intra|corp|home|"
    r"localdomain|domain|pacs|hosp|klinik|"
    r"kh|ad|loc|priv|private|dmz|cloud|site|online|xyz|dev|app|ly|tv|me|biz|se|no|dk|fi|pl|cz|hu|ro|gr|pt|"
    r"nl|be|ch|at|ie|ru|ua|tr|in|id|vn|th|my|sg|"
    r"hk|tw|kr|nz|za|ng|ke|eg|ar|cl|pe|co|mx|us|ca|uk|au)(?::\d{2,5})?(?:/[^\s<>\x22]{0,200})?(?![\w-]|\.\w)"
)


def _internal(found: re.Match[str]) -> Span | None:
    """A host's name, which is no end of a sentence: lower case before the last stop, two stops or a hyphen or a
    digit."""
    host = re.split(r"[:/]", found[0])[0]
    labels = host.split(".")
    sure = labels[-1].lower() in (
        "local",
        "lan",
        "intranet",
        "internal",
        "intra",
        "corp",
        "localdomain",
        "pacs",
        "hosp",
        "dmz",
        "klinik",
    )
    shaped = len(labels) > 2 and all(len(label) > 1 for label in labels) and not re.fullmatch(r"[\d.]+\w+", host)
    dashed = re.search(r"[a-z]-[a-z]|[a-z]\d|/", found[0]) and host == host.lower() and len(labels[0]) > 3
    return found.span() if (sure or shaped or dashed) and not host[0].isdigit() else None


_ANY_PATH = (
    r"(?<![\w/.<)])/(?:[\w.@+=-]{2,60}/){1,14}[\w.@+=-]{1,80}|(?<![\w/.\\:])(?:[\w.-]{2,60}/){2,12}[\w.-]{2,80}|"
    r"(?<![\w\\:.])(?:[\w.-]{2,40}\\){1,10}[\w.-]{2,60}|(?<![\w.])/{1,3}[a-z]{3,20}\.[a-z]{3,20}\.[a-z]"
    r"{3,20}(?![\w/.])"
)


def _any_path(found: re.Match[str]) -> Span | None:
    """Folders one in another; what is written without the first slash has an underscore, a stop or a long number."""
    path = found[0]
    if not re.search(r"[A-Za-z]{2}", path):
        return None
    if path[0] == "/":
        deep = path.count("/") > 2 or re.search(r"[\d_.]", path)
        return found.span() if deep and not re.match(r"/(?:min|kg|ml|day|h|hr|l|m2|dl|s)/", path) else None
    parts = re.split(r"[/\\]", path)
    named = [part for part in parts if re.search(r"\d{3}|_|[a-z]\.[a-z]", part)]
    words = [word for part in named for word in re.findall(r"[A-Za-z]{3,}", part)]
    sure = "\\" in path or len(named) > 1 or (named and any(not harmless(word) for word in words))
    return found.span() if sure and named and not re.match(r"[\d./-]+$", path) else None


_TOKEN_LATE = r"(?<![\w.,@/+-])[A-Za-z0-9](?>(?:[A-Za-z0-9]|[-_](?=[A-Za-z0-9])){5,80})(?![\w@/]|\.\w)"
_MACHINE = r"(?<![\w.-])[A-Z][A-Z0-9]{1,20}(?:[-_][A-Z0-9]{1,20}){2,6}(?![\w-])"
_GROUPED = r"(?<![\w.,/+-])(?<!\d\s)\d{2,6}(?:[\s-]\d{2,6}){2,4}(?:\s?-\s?\d)?(?![\w]|[.,/-]\d|\s\d|\s?[x×%])"
_LETTERS_FIRST = r"(?<![\w.-])(?-i:[A-Z]{1,4})\s?(?P<it>\d{3,6}(?:[\s-]\d{2,6}){1,4})(?![\w]|[.,/-]\d|\s\d|\s?[x×%])"
_SLASHED = (
    r"(?<![\w./-])(?:\d{2}/\d{6,8}/\d{2}|(?-i:[A-Z])\d{4}-\d{5}-\d{5}|\d{5}-\d{7}-\d|\d{6}-\d{2}-\d{4}|"
    r"\d{2,4}-\d\s\d{4}/\d{2}|"
    r"\d{2,4}\s?/\s?\d{4,8}\s?/\s?\d{2,4}|\d{2}\s\d{2}\s\d{2}\s\d{4}(?:\s?-\s?\d)?|\d{4}\s\d{6}|"
    r"\d{4}\s\d{3}\s\d{6}|\d{1,3}/\d{5,9}(?:/\d{1,4})?|"
    r"\d{4,9}/\d{2,4}(?!\d)|\d{4,5}-\d{2,3}(?!\d)|\d{4}/\d{4,8}|(?-i:[A-Z]{4})\s\d{4}\s\d{4})(?![\w/]|[.,-]\d)"
)


def _lettered(found: re.Match[str]) -> Span | None:
    """ "G1517 20 600414": letters and then nine digits in groups."""
    digits = sum(c.isdigit() for c in found[0])
    return whole(found) if 8 <= digits <= 18 and not _PUBLIC.match(found[0]) and _groups_free(found) else None


def _groups_free(found: re.Match[str]) -> bool:
    return not _UNITS.match(after(found, 8)) and not re.search(r"(?:512|256|1024|000)", found[0])


def _slashed(found: re.Match[str]) -> Span | None:
    """Parted numbers; no times of a sequence ("TR/TE 2000/10"), no window, no part of thousands."""
    value = found[0]
    if _UNITS.match(after(found, 8)) or re.search(
        r"(?:tr|te|ti|window|hu|wl|ww|dose|of|/|width|level)[\s:=]*$", before(found, 8)
    ):
        return None
    if re.match(r"\d{4,5}/\d{2,4}$", value) and (
        re.match(r"\d+0/", value) or re.match(r"(?:19|20)\d\d/(?:\d\d\d?|(?:19|20)\d\d)$", value)
    ):
        return None
    if re.fullmatch(r"\d+-\d+", value):
        return None if re.match(r"\d+[05]-|(?:19|20)\d\d-", value) or value.endswith(("0", "5")) else found.span()
    return found.span() if sum(c.isdigit() for c in value) > 6 else None


_NODE = r"(?<!\w)(?:on|to|from|at|via|host|node)\s(?P<it>(?-i:[A-Z]{5,12}[-_]?\d{1,3}))(?![\w.-])"


def _node(found: re.Match[str]) -> Span | None:
    letters = re.match(r"[A-Z]+", found["it"])
    return None if _PUBLIC.match(found["it"]) or (letters and harmless(letters[0])) else found.span("it")


RULES: tuple[Rule, ...] = (
    Rule("device", "name of a node", compiled(_NODE), cues_of("on to from at via host node"), place=_node),
    Rule("other number", "word of letters and digits", compiled(_TOKEN_LATE), numbers=True, reach=None, place=_token),
    Rule(
        "device",
        "name of a machine in capitals",
        compiled(_MACHINE, cased=True),
        numbers=True,
        reach=None,
        place=_machine,
    ),
    Rule("record number", "digits in groups", compiled(_GROUPED), numbers=True, place=_groups),
    Rule(
        "record number",
        "letters and digits in groups",
        compiled(_LETTERS_FIRST),
        numbers=True,
        reach=6,
        place=_lettered,
    ),
    Rule("record number", "digits parted by signs", compiled(_SLASHED), numbers=True, reach=4, place=_slashed),
    Rule("other number", "code behind a noun", compiled(_NOUN), cues_of(_NOUNS), signs_of(_NOUNS), place=_of_noun),
    Rule(
        "device",
        "name in quotes behind a noun",
        compiled(_QUOTED),
        cues_of(
            """host server pc computer workstation console station machine scanner gerat rechner drucker printer ssid
wifi wlan network
        konsole tag user login account share folder file album archive queue node arbeitsplatz appareil equipo
database bucket project"""
        ),
        place=_quoted,
    ),
    Rule(
        "other number",
        "name of an account",
        compiled(_LOGIN),
        cues_of(
            """log login logged logon user username userid signed sudo benutzer utilisateur usuario utente gebruiker
ssh rsync scp"""
        ),
        place=_login,
    ),
    Rule("e-mail", "account at a host", compiled(_AT_HOST), signs=("@",), reach=32, place=_at_host),
    Rule(
        "device",
        "option of a command",
        compiled(_OPTION),
        cues_of(
            """aec aet aem call calling called host hostname user username login server password peer node patient
mrn accession name uid
        institution station scp dest remote"""
        ),
        reach=2,
    ),
    Rule(
        "other number",
        "secret after its name",
        compiled(_SECRET),
        cues_of(
            """pass password passcode passphrase passwd pwd pin kennwort passwort contrasena senha mot wachtwoord api
apikey token secret key"""
        ),
        place=_secret,
    ),
    Rule("device", "part of a UID", compiled(_PART_OF_UID), numbers=True),
    Rule("URL", "host of a network", compiled(_INTERNAL), signs=(".",), reach=None, place=_internal),
    Rule("file path", "folders", compiled(_ANY_PATH), signs=("/", "\\"), reach=None, place=_any_path),
)
