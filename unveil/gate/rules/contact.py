"""How somebody is reached: telephone, fax and pager, e-mail, handles, URLs, addresses of the network, files with
names."""

from __future__ import annotations

import ipaddress
import re

from unveil.gate.rule import APART, Rule, Span, after, alternatives, before, compiled, cues_of, signs_of
from unveil.gate.words import ordinary

#: Said of nothing but a telephone; then of other things too, so that seven digits have to follow.
_PHONE = """tel tel. telephone phone phones fax telefax pager beeper beep bleep telefon telefono telefone telefoon fon
handy mobilfunk rufnummer durchwahl movil celular cellulare gsm whatsapp mobile_no mobile_number phone_no
phone_number contact_no contact_number cell_phone cellphone home_phone work_phone helpline hotline 电话 手机
联系电话 電話 電話番号 携帯 전화 전화번호 휴대폰 연락처 тел телефон моб هاتف جوال الهاتف फोन मोबाइल τηλ sms ext extn
dect voicemail"""
_MAYBE = (
    "mobile cell call contact ring text dial portable ph reach reached extension number_is anrufen appeler "
    "llamar chiamare ligar funk poste"
)
_DIGITS = r"\+?\(?\d[\d\s()./-]{%d,24}\d"

_BARE = r"""(?<![^\W\u3040-\u9fff\uac00-\ud7a3]|[.,/+-])(?<!\d\s) (?:
    (?:\+|00)\d{1,3}[\s.()/-]{0,3}\d[\d\s()./-]{5,18}\d                     # +44 20 7946 0958
  | (?:1[\s.-])?\(?[2-9]\d{2}\)?[\s.-]{1,2}\d{3}[\s.-]\d{4} | \(\d{2,5}\)\s?\d{3,5}[\s-]?\d{3,5}  # (555) 010-9999
  | \(?0\d{1,4}\)?[\s/.-]{1,3}\d{2,8}(?:[\s/.-]\d{2,6}){0,4} | 0[1-9](?:[\s.-]?\d{2}){4}  # 0151/123456, 06 12 34 56 78
  | 1[3-9]\d{9}
  | [6-9]\d{4}[\s-]\d{5} | 1[3-9]\d[\s-]\d{4}[\s-]\d{4} | [2-9]\d{2}-\d{4}                         # India, China, local
  | [679]\d{2}[\s]\d{2}[\s]\d{2}[\s]\d{2} | 9\d[\s-]\d{3}[\s-]\d{2}[\s-]\d{2}  # France, Spain
  | [6-9]\d{2}\s\d{3}\s\d{3}(?!\s?[x×\d])  # Spain
  | \d{2}\s9?\d{4}[\s-]\d{4} | \d{3,4}-\d{3,4}-\d{4}  # Brazil, Japan, Korea
  ) (?:\s?(?:x|ext\.?|extn)\s?\d{2,5})?(?![\w]|[.,/-]\d)"""
_SIZE = re.compile(r"\s*(?:[x×%]|mm|cm|ml|hu\b|hz|ms\b|m/s|kev|kv|ma|mg|bpm|/min|pixels)")


def _reachable(found: re.Match[str]) -> Span | None:
    """A number without a word before it: no range, no size, and not all hundreds."""
    value = found[0]
    if _SIZE.match(after(found, 8)) or re.fullmatch(r"[2-9]\d{2}-\d{2}00", value):
        return None
    if re.search(
        r"(?:hu|range|between|from|value|window|level|matrix|dose|frequency|dlp|pages?|pp)[\s:.of]*$", before(found, 12)
    ):
        return None
    groups = re.findall(r"\d+", value)
    sizes = {"256", "512", "768", "640", "480", "384", "320", "1024", "192", "224"}
    return None if len(set(groups)) < 2 or (sizes & set(groups) and value[0] != "+") else found.span()


def _mail(found: re.Match[str]) -> Span | None:
    """No measure at a threshold: "mAP@0.5"."""
    return None if re.fullmatch(r"\w+@[\d.:]+", found[0]) else found.span()


def _not_a_value(found: re.Match[str]) -> Span | None:
    return None if _SIZE.match(after(found, 8)) else found.span()


def _not_degrees(found: re.Match[str]) -> Span | None:
    """Not how far a joint is stretched: "extension 0-10-90"."""
    return None if re.fullmatch(r"\d{1,3}(?:[-/]\d{1,3}){1,2}", found["it"]) else _not_a_value(found)


_FIGURES = (
    "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|null|eins|zwei|drei|vier|funf|sechs|sieben|acht|"
    "neun|cero|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|deux|trois|quatre|cinq|sept|huit|neuf)"
)
_SPOKEN = (
    rf"(?<!\w){_FIGURES}(?:[\s,-]{{1,2}}(?:(?:double|triple)\s)?{_FIGURES}){{5,20}}(?!\w)|"
    rf"(?<!\w)(?:extension|ext|pager|bleep|dial|call|phone|number|telephone|durchwahl|"
    rf"mobile)[\s:]{{1,2}}(?:is\s|on\s)?"
    rf"{_FIGURES}(?:[\s,-]{{1,2}}(?:(?:double|triple)\s)?{_FIGURES}){{2,20}}(?!\w)"
)

_TOP = (
    "com org net edu gov mil int info io ai co uk de fr es it pt br nl be ch at in cn jp kr ru eu us ca au nz "
    "ie se no dk fi pl cz mx ar za health hospital clinic med care nhs example test"
)
_TLD = alternatives(_TOP)
_SURE_TLD = (
    "(?:com|org|net|edu|gov|info|io|health|hospital|clinic|example|co\\.uk|nhs\\.uk|ac\\.uk|org\\.uk|nhs\\.net|"
    "de|fr|eu|com\\.br|com\\.au|com\\.mx|es|jp|co\\.in|gov\\.in|co\\.jp|cn)"
)
_DOT = (
    r"(?:\s?(?:\(dot\)|\[dot\]|\{dot\}|<dot>|\(punkt\)|\[punkt\]|\(point\)|\(punto\)|\(\.\)|\[\.\])\s?|\s(?:dot|"
    r"(?:punkt|point|punto|ponto)(?=\s(?!(?:in|at|no|be|us|it|es|de|me|is)\b)))\s|\.|\s\.\s)"
)
_AT = (
    r"(?:\s?(?:\(at\)|\[at\]|\{at\}|<at>|\(a\)|\[a\]|\(@\)|\[@\]|\(arroba\)|\(arobase\)|\(chiocciola\))\s?|"
    r"\s(?:at|@|arroba|arobase|chiocciola)\s|\s@|@\s|_at_|-at-)"
)
_MAIL = r"(?:(?<![\w.+-])[\w.+-]{1,64}+)?@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_MAIL_SAID = (
    rf"(?<![\w.])\w[\w-]{{0,40}}(?:{_DOT}[\w-]{{1,40}}){{0,3}}{_AT}[\w-]{{1,40}}(?:{_DOT}[\w-]{{1,40}}){{0,3}}"
    rf"{_DOT}{_TLD}(?!\w)"
)
_HANDLE = r"(?<![\w@./])@[A-Za-z_][\w.]{2,30}"
_NETWORKS = """twitter instagram facebook linkedin telegram wechat weixin skype snapchat tiktok reddit github signal
discord mastodon line_id 微信 qq insta fb threads messenger viber kakao kakaotalk orcid username user_name userid
user_id login log-in screen_name handle benutzername usuario utilisateur"""
_NETWORK = (
    rf"(?<!\w){alternatives(_NETWORKS)}(?:\s(?:id|handle|name|user|account|profile|号))?\s?(?:[:=@/]|is\s|as\s|"
    rf"：)\s?(?P<it>@?\w[\w.-]{{2,40}})|(?<![\w/])/?u/(?P<user>\w{{3,30}})|"
    rf"(?<!\w){alternatives(_NETWORKS)}\s(?:(?:me|us|him|her|on|under|at|via|id|unter|"
    rf"bei)\s){{0,3}}(?:live:\S{{2,40}}|@?[a-z]\w{{1,30}}[._]\w{{1,20}}"
    rf"|@?[a-z]{{2,20}}\d{{1,8}})"
)
_URL = (
    rf"(?<!\w)(?:(?:https?|hxxps?|ftps?|sftp|file|dicom|dicomweb|s3|gs|smb|wss?|ldap|mailto|"
    rf"tel)://?[^\s<>\"]{{2,400}}|www\d?\.[^\s<>\"]{{3,300}}|"
    rf"(?<![\w.@-])[\w-]{{2,63}}(?:\.[\w-]{{1,63}}){{0,4}}\.{_SURE_TLD}(?![\w-]|"
    rf"\.\w)(?:[/:?][^\s<>\"]{{0,300}})?|[\w-]{{2,40}}\s?(?:\[\.\]|\(\.\)|\(dot\)|\[dot\])\s?{_TLD}(?!\w))"
)
_V4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5}|/\d{1,2})?(?![\w]|\.\d)"
_V6 = (
    r"(?<![\w:.])(?:[0-9a-f]{1,4}:){2,7}(?:(?::[0-9a-f]{1,4}){1,6}|:|[0-9a-f]{1,4})(?:%\w{1,8})?(?![\w:])|"
    r"(?<![\w:])[0-9a-f]{1,4}::(?:[0-9a-f]{1,4}:){0,6}[0-9a-f]{1,4}(?![\w:])|(?<![\w:])::1(?![\w:])"
)
_MAC = (
    r"(?<![\w:-])(?:[0-9a-f]{2}:){5,31}[0-9a-f]{2}(?![\w:-])|"
    r"(?<![\w:-])(?=[\d:]{0,12}[a-f])(?:[0-9a-f]{2}:){4}[0-9a-f]{2}(?![\w:-])|"
    r"(?<![\w:-])(?=[\d-]{0,16}[a-f])(?:[0-9a-f]{2}-){5}[0-9a-f]{2}(?![\w:-])|"
    r"(?<![\w.])(?=[\d.]{0,13}[a-f])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])"
)
_ROOTS = (
    "home users user mnt data var srv export media volumes tmp opt net scratch archive pacs root usr dicom "
    "images studies storage nas private workspace project projects share shares datasets raw work"
)
_PATH = (
    rf"(?:(?<!\w)[A-Za-z]:(?:\\|/(?!/))|"
    rf"(?<![\w\\])\\\\)[^\s\"'<>|]{{2,300}}(?:\s[^\s\"'<>|\\/]{{1,40}}[\\/.][^\s\"'<>|]{{1,200}})?|"
    rf"(?<![\w/.])(?:~\w{{0,30}}|\.{{1,2}}|/{alternatives(_ROOTS)})/[^\s\"'<>|]{{1,300}}|%(?:userprofile|appdata|"
    rf"homepath)%\S{{0,200}}"
)
_FILES = (
    "dcm dicom nii nii.gz nrrd mha mhd png jpg jpeg tif tiff bmp gif pdf doc docx xls xlsx csv tsv txt rtf zip "
    "rar 7z tar tar.gz mp4 avi mov svs ndpi hl7 xml json wav mp3 pptx eml msg iso edf"
)
_FILE = (
    rf"(?<![\w/\\.@-])(?P<folder>(?:[\w.-]{{1,80}}[/\\]){{0,12}})(?P<stem>[\w(),+-][\w.(),+-]{{0,120}}?)\."
    rf"{alternatives(_FILES)}(?![\w/])"
)
_PLAIN_STEMS = re.compile(
    (
        r"(?:the|image|images|scan|figure|fig|mask|masks|frame|slice|example|test|input|output|report|data|records?|"
        r"labels?|readme|file|xray|ct|mri|img|series|chest|[a-z]{1,2})?[\d_-]{0,3}"
    ),
    re.I,
)


def _address(found: re.Match[str]) -> Span | None:
    """An address of the network as the standard library reads it, and no version."""
    text = re.sub(r"%.*$|/\d+$", "", found[0])
    text = re.sub(r":\d+$", "", text) if text.count(".") == 3 else text
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return None
    named = re.search(r"(?:version|release|build|software|section|v|ver)\.?\s?$", before(found, 12))
    return None if named and ":" not in text else found.span()


def _named_file(found: re.Match[str]) -> Span | None:
    """A file with more of a name than "image" or "scan 3"."""
    words = re.findall(r"[A-Za-z]{2,}", found["stem"])
    known = words and all(map(ordinary, words)) and not re.search(r"\d{4}", found["stem"])
    return None if not found["folder"] and (known or _PLAIN_STEMS.fullmatch(found["stem"])) else found.span()


_NAMED = (
    rf"{APART}{alternatives(_PHONE)}(?![^\W\d_])[^\w\n+(]{{0,4}}(?:(?:no|nr|number|num|is|was|at|back|to|"
    rf"home|work|office|privat|private|"
    rf"mobile|day|evening|direct|us|me|her|him|on|family|son|daughter|wife|husband|ward|gesch|"
    rf"[a-z])\b[^\w\n+(]{{0,3}}){{0,2}}(?P<it>\+?[\d(][\d\s()./-]{{1,24}}\d)"
)
_WORDED = (
    rf"(?<!\w){alternatives(_MAYBE)}(?!\w)[^\w\n+(]{{0,3}}(?:(?:her|him|me|us|them|at|on|no|number|is|the|ward|"
    rf"reading|room|family|patient|under|unter|au|al)\b[^\w\n+(]{{0,3}}){{0,3}}(?P<it>{_DIGITS % 5}|"
    rf"(?<=at\s)\d{{4,6}})(?![.,]?\d)"
)
_HOUSE = (
    r"(?<!\w)(?:ext|extn|extension|bleep|pager|durchwahl|poste|interno|ramal|"
    r"apparat)\.?:?\s?(?P<it>\d{3,6})(?![\w.,]\d|\w|\s?(?:mm|cm|deg|%|x))"
)


def _of_house(found: re.Match[str]) -> Span | None:
    """Three digits where the word is a short form or a pager: "extension 120" are degrees."""
    return found.span("it") if len(found["it"]) > 3 or "." in found[0] or found[0][0] in "bp" else None


_ENDS = "com org net edu gov info io health hospital clinic example co. nhs ac.uk de fr eu es jp cn"
_DOTTED = tuple(f".{end}" for end in _ENDS.split())

RULES: tuple[Rule, ...] = (
    Rule(
        "phone or fax", "number after its name", compiled(_NAMED), cues_of(_PHONE), signs_of(_PHONE), place=_not_a_value
    ),
    Rule("phone or fax", "number after a word", compiled(_WORDED), cues_of(_MAYBE), place=_not_degrees),
    Rule(
        "phone or fax",
        "short number of a house",
        compiled(_HOUSE),
        cues_of("ext extn extension bleep pager durchwahl poste interno ramal apparat"),
        place=_of_house,
    ),
    Rule("phone or fax", "bare number", compiled(_BARE), numbers=True, reach=2, place=_reachable),
    Rule(
        "phone or fax",
        "number in words",
        compiled(_SPOKEN),
        cues_of(
            _FIGURES[3:-1].replace("|", " "),
            "extension ext pager bleep dial call phone number telephone durchwahl mobile",
        ),
    ),
    Rule("e-mail", "address", compiled(_MAIL), signs=("@",), reach=None, place=_mail),
    Rule(
        "e-mail",
        "address in words",
        compiled(_MAIL_SAID),
        cues_of("dot punkt point punto ponto arroba arobase"),
        ("(at", "[at", "{at", "(a)", "[a]", "@", *_DOTTED),
        reach=None,
    ),
    Rule("e-mail", "handle", compiled(_HANDLE), signs=("@",)),
    Rule(
        "e-mail",
        "name in a network",
        compiled(_NETWORK),
        cues_of(_NETWORKS),
        (*signs_of(_NETWORKS), "u/", "/u/"),
        place=lambda found: found.span(),
    ),
    Rule(
        "URL",
        "address",
        compiled(_URL),
        cues_of("www"),
        ("://", ":/", "[.]", "(.)", "(dot)", "[dot]", "mailto:", "tel:", *_DOTTED),
        reach=None,
    ),
    Rule("IP address", "IPv4", compiled(_V4), numbers=True, place=_address),
    Rule("IP address", "IPv6", compiled(_V6), signs=(":",), reach=5, place=_address),
    Rule("IP address", "MAC address", compiled(_MAC), signs=(":", "-", "."), reach=None),
    Rule("file path", "path", compiled(_PATH), signs=("/", "\\", "%", "~"), reach=2),
    Rule(
        "file path",
        "file",
        compiled(_FILE),
        signs=tuple(f".{end}" for end in _FILES.split()),
        reach=None,
        place=_named_file,
    ),
)
