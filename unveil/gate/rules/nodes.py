"""Machines of a network of images by what is said of them: titles of application entities, ports, who refuses whom."""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, alternatives, compiled, cues_of
from unveil.gate.words import harmless, listed

_TITLES = """calledaet callingaet calledae callingae called_ae calling_ae called_aet calling_aet called_ae_title
calling_ae_title calledaetitle callingaetitle called_title calling_title sourceae destae destinationae moveae remoteae
localae remoteaet localaet peeraet scpaet scuaet move_destination c-move_destination c-store_destination
store_destination
query_source ae_title aetitle aet stationaetitle scheduledstationaetitle stationname station_name stationid"""
_CAPITALS = r"(?-i:[A-Z][A-Z0-9]{1,15}(?:[\s_-](?=[A-Z0-9]{2})[A-Z0-9]{1,15}){0,3})"
_TITLED = rf"(?<![^\W_]){alternatives(_TITLES)}(?![^\W\d_])\s?(?:[:=]|is|was)?\s?[\x22'\[(]?(?P<it>{_CAPITALS})(?![\w])"
_DOES = (
    r"(?:(?:on\s|at\s|:\s?|,\s)?port\s\d{3,5}|:\d{3,5}(?!\d)|(?:refuses|refused|rejects|rejected|aborts|aborted|"
    r"drops|dropped|"
    r"denies)\s(?:the\s|our\s|all\s|every\s)?(?:association|associations|c-(?:echo|store|find|move|get)|connection|"
    r"query|"
    r"transfer)|(?:does\snot|doesn't|won't|not)\s(?:answer|respond|accept|responding|answering|reachable)|times\sout|"
    r"timed\sout|"
    r"is\s(?:down|offline|unreachable)|(?:unknown|unreachable)\sae|(?:antwortet|reagiert)\snicht|ne\srepond\spas|"
    r"no\sresponde|"
    r"non\srisponde|nao\sresponde|svarar\sinte|nie\sodpowiada)"
)
_ACTS = rf"(?<![\w.-])(?P<it>{_CAPITALS})\s{{0,2}}{_DOES}"
_SENT = (
    rf"(?<!\w)(?:worklist|mwl|retrieve[ds]?|pull(?:ed)?|push(?:ed)?|quer(?:y|ied)|rout(?:e|ed|ing)|forward(?:ed)?|"
    rf"autoroute|"
    rf"c-(?:store|move|find|get|echo))\s(?:\w{{1,10}}\s)?(?:from|to|at|via|on)\s(?P<it>{_CAPITALS})(?![\w])"
)
_JOINED = (
    r"(?<!\w)(?:(?:log(?:ged|s)?|sign(?:ed|s)?)[\s-]?[io]n\sas|ssid|wi-?fi|wlan|hotspot)\s?(?:[:=]|is|was|named|"
    r"called)?\s?"
    r"[\x22\x27]?(?P<it>[A-Za-z][\w.-]{3,30})(?![\w@])"
)
_CAUSES = "port refuses refused rejects rejected aborts aborted drops dropped denies does doesn won not times timed is"
_CAUSED = _CAUSES + " unknown unreachable antwortet reagiert ne no non nao svarar nie"
_KNOWN = listed(
    """CT MR MRI PET US XR CR DX MG NM RF PACS RIS HIS DICOM SCP SCU AE ICU ED ER OR IVC SVC PICC PORT WADO QIDO STOW
HL7
    FHIR API TCP UDP TLS SSL HTTP HTTPS VPN LAN WAN LINUX WINDOWS SERVER CLIENT GPU CPU PC AI VNA MWL MPPS C-ECHO
    C-STORE
    C-MOVE C-FIND ECHO STORE MOVE FIND NOT THE IT HE SHE"""
)


def _own(found: re.Match[str]) -> Span | None:
    """One part that nobody knows, or a digit and a part that is no technique's."""
    parts = [part for part in re.split(r"[\s_-]", found["it"]) if part]
    unknown = [p for p in parts if p not in _KNOWN and len(p) > 2 and not harmless(p.rstrip("0123456789"))]
    digits = re.search(r"\d", found["it"]) and len(found["it"]) > 3
    if not unknown and not (digits and len(parts) > 1):
        return None
    return found.span("it")


def _joined(found: re.Match[str]) -> Span | None:
    """With a digit, a stop or a capital within, and no word of every text."""
    name = found["it"].rstrip(".-")
    if harmless(name) or not re.search(r"\d|[._]\w|[a-z][A-Z]", name) or re.match(r"802|WPA|[0-9.]+$", name):
        return None
    return (found.start("it"), found.start("it") + len(name))


RULES: tuple[Rule, ...] = (
    Rule("device", "title of an application", compiled(_TITLED), cues_of(_TITLES, "c move store"), place=_own),
    Rule(
        "device",
        "machine that sends",
        compiled(_SENT),
        cues_of("""worklist mwl retrieve retrieved retrieves pull pulled push pushed query queried route routed routing
        forward forwarded autoroute c"""),
        place=_own,
    ),
    Rule(
        "device",
        "network or account",
        compiled(_JOINED),
        cues_of("log logged logs logon login sign signed signs ssid wi wifi wlan hotspot"),
        place=_joined,
    ),
    Rule("device", "machine that acts", compiled(_ACTS), cues_of(_CAUSED), (":",), reach=70, place=_own),
)
