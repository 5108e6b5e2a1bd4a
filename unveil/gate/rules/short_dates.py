"""Days and months in digits without a year, where something tells that they are no fraction: "LMP 3/4", "4/6 at 0310".

Powers, scores, levels, sizes, pressures and doses are written alike: two numbers alone are no date.
"""

from __future__ import annotations

import re

from unveil.gate.months import DAY, FREE
from unveil.gate.rule import Rule, Span, after, alternatives, before, compiled, cues_of
from unveil.gate.words import listed

_MONTH = r"(?:0?[1-9]|1[0-2])"
_SLASHED = rf"(?:{DAY}/{_MONTH}|{_MONTH}/{DAY})"
#: What stands before such a day: what is done in a hospital, last periods and expected births, prepositions.
_DONE = """lmp lnmp menses period menstruation mens tte tee echo ecg ekg eeg uss edd edc dum fum ddr dpa dpp fpp um zt
fur back adm admit admits admitted admission dc d/c disch discharge discharged dis rv f/u fu tci appt appointment
clinic seen last next prior prev previous vs_from compared comp exam scan scanned film filmed imaged dated due booked
op postop surgery operated redo inserted removed placed drained started stopped changed swapped collected rec'd
received reported signed transfer transferred hems arrived presented injury fall fell mva rta rtc onset sent returned
born died bloods labs cultures swab swabs biopsy bx review reviewed wk_comm w/c aufnahme entl entlassung entlassen
termin kontrolle wv wiedervorstellung unfall unfalltag sturz op-datum verlegt geplant nachste letzte ct_vom mrt_vom
rontgen_vom untersuchung befund_vom vom ab dernieres_regles sortie hospit hospitalisation consult consultation rdv
controle opere operee vu vue accouchement terme ingreso ingresa ingresado alta cita consulta revision proxima ultima
operado operada visto vista fecha nacio parto citado citada prevista internado internada retorno consulta volta exame
dn dpp ricovero ricoverato ricoverata dimesso dimessa dimissione prenotazione visita controllo intervento operato
operata prossima ultima opname opgenomen ontslag ontslagen controle geopereerd afspraak ok gezien volgende laatste
przyjeta przyjety przyjecie wypis wypisana wypisany zabieg operacja wizyta kontrola badanie termin dnia inlagd
utskriven hem hemgang operation opererad aterbesok besok remiss indlagt udskrevet opereret innlagt utskrevet operert
kontroll hjem time ameliyat yatis taburcu kontrol randevu cekim sat sonda dogum"""
_DONE_RULE = compiled(
    rf"""(?<![\w/])(?P<word>{alternatives(_DONE)})(?:\s(?:on|date|of|from|the|am|dem|den|vom|le|du|el|del|il|dal|em|no|op|
    dnia|w|d\.|d|pa|ct|mr|mri|xr|tarihi|dia|was|is|=)){{0,2}}[\s:=.]{{1,3}}\(?
    (?P<it>{_SLASHED}|{DAY}\.\s?{_MONTH}\.|{DAY}\.(?:0[1-9]|1[0-2])|
    (?:0[1-9]|[12]\d|3[01])-(?:0[1-9]|1[0-2])|(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])|{DAY}-{_MONTH}(?=[,;.)]|$))(?![\w%]|[./:-]?\d|,\d)"""
)
#: "4/6 at 0310", "12/3 @ 14:20", "3/4 um 10 Uhr"
_CLOCK = compiled(
    rf"""{FREE}(?<![/-])(?P<it>(?:[01]?\d|2[0-3]):[0-5]\d,?\s{_SLASHED}(?![\w/%]|[.,:]\d|\s?(?:mm|cm|power))|(?:{_SLASHED}|{DAY}\.\s?{_MONTH}\.)\s?(?:(?:,\s?|@\s?|at\s|um\s|om\s|kl\.?\s|klo\s|a\slas\s|a\sla\s|
    alle\s|ore\s|as\s|saat\s|o\sgodz\.?\s|godz\.?\s|vers\s|a\s|ca\.?\s|gegen\s|~|-\s)(?:(?:[01]?\d|2[0-3])
    (?:[:.h]\s?[0-5]\d(?!\d)|\s?(?:h\b|hrs?\b|uhr|am\b|pm\b|uur)|[0-5]\d(?:\s?(?:h|hrs?|uhr|z))?(?![\w.,%])))|
    \s(?:[01]?\d|2[0-3]):[0-5]\d(?!\d)|\s(?:in\sthe\s(?:morning|evening|afternoon)|morgens|abends|vormittags|nachmittags|
    matin|soir)))"""
)
#: "28/02-03/03", "12/10 to 3/11", "3.4.-5.4."
_FROM_TO = compiled(
    rf"""{FREE}(?<![/-])(?P<it>(?P<a>\d\d?)(?P<s>[/.])(?P<b>\d\d?)\.?\s?(?:-|->|to|until|till|thru|through|bis|au|al|a|ate|
    t/m|tot|do|till|til|and|und|et|y|e|i|och|og)\s?(?P<c>\d\d?)(?P=s)(?P<d>\d\d?)\.?)(?![\w%]|[/:]\d|[.,]\d|
    \s?(?:mm|cm|mmhg|x|power|murmur|vision|kg|mg|ml|ms|s\b|hu|kpa|m\b|scale|score|strength|points|reflexes|pain))"""
)
#: "12-X", "3/IV"
_ROMAN = compiled(
    rf"{FREE}(?<![/-])(?P<it>(?P<day>{DAY})[-/.](?-i:(?P<month>I{{1,3}}|IV|VI{{0,3}}|IX|XI{{0,2}})))(?![\w%]|[/.-][\w])"
)
#: "Oct 3 7.1": a month's day and a result.
_RESULT = compiled(
    r"(?<!\w)(?P<it>(?-i:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec|January|February|March|April|August|"
    r"September|October|November|December)\.?\s(?:0?[1-9]|[12]\d|3[01]))(?::|\s-|\s=|,)?\s[<>]?\d{1,3}(?:[.,]\d{1,2}|"
    r"(?=,\s(?-i:[A-Z][a-z]{2,8})\.?\s\d))(?![\w/])"
)
_PREPOSED = compiled(
    rf"(?<![\w.,/])(?:am|vom|seit\sdem|dnia|dn\.|od\sdnia|den|d\.|pvm|klo)\s(?P<it>{DAY}\.(?:0[1-9]|1[0-2]))"
    r"(?![\w%]|[.,:/-]?\d|\s?(?:mm|cm|mg|kg|x\b|ml|%))"
)
#: A number of seconds behind a word for time.
_EPOCH = compiled(
    r"(?<![a-z])(?:ts|timestamp|time|epoch|unix(?:time)?|created|updated|modified|acquired|mtime|ctime|zeit|datetime|at|"
    r"seen|admit|start|end|iat|exp)[\"'\]]{0,2}(?:\s(?:at|ms|s|utc))?\s?[\"']?[:=\s]\s?[\"']?"
    r"(?P<it>(?:[89]\d{8}|1[0-9]\d{8})(?:\d{3})?(?:\.\d{1,6})?)(?!\w)"
)

#: What has a pressure, a score or a dose behind it.
_NO_DATE = re.compile(
    r"(?:\b(?:ta|pa|bp|rr|ap|t\.a|nibp|abp|tensi\w{0,6}|blutdruck|pressures?|pression|presion|pressao|ratio|split|vision|visus|"
    r"va|acuity|os|od|power|strength|mrc|score\w?|scores?|scale|grade[sd]?|rated|pain|eva|vas|nrs|ips|gcs|glasgow|apgar|"
    r"mmse|moca|aspects?|tinetti|barthel|bishop|ec?og|gleason|schober|ott|reflex\w{0,2}|murmur|levels?|discs?|"
    r"se|im|img|image|slice|series|serie|frame|segments?|sg|seg|teeth|tooth|zahn|zahne|dent|fdi|bipap|cpap|ipap|epap|"
    r"peep|mg|mcg|stage|stadium|t|n|l|c|s|th|d|nyha|ccs|asa|cn|nerves?|type|typ|factor|class|ribs?|of|clavien|figo|"
    r"birads|pirads|rads|metavir|nodes?|lk|ln|cores?|er|pr|her2|she2|ratio|fraction|fx|fr|dose|kg|mm|cm|by|x)"
    r"[\s:=.-]{0,2}|[+x*=<>])$"
)


def _no_fraction(found: re.Match[str]) -> Span | None:
    """Neither a score nor a dose stands before it, and no word for one behind it."""
    if _NO_DATE.search(before(found, 14)) or re.match(
        r"\s?(?:power|strength|of\b|vision|murmur|scale|score|points|reflex|segments?|lobes?|cores|nodes|images|slices|"
        r"sequences|teeth|weakness|tablets|dose|(?:lower|upper)\slobe|pain|levels?|positive|cases|patients)",
        after(found, 14),
    ):
        return None
    return found.span("it") if found["it"] else None


def _range(found: re.Match[str]) -> Span | None:
    """Two days, of which at least one cannot be a fraction of a scale: a zero before it or a number above twelve."""
    a, b, c, d = (int(found[group]) for group in "abcd")
    days = all(0 < min(pair) <= 12 and max(pair) <= 31 for pair in ((a, b), (c, d)))
    told = max(a, b, c, d) > 12 or any(found[group][0] == "0" for group in "abcd")
    alike = found["s"] == "." and not all(len(found[group]) == 2 for group in "bd")
    return _no_fraction(found) if days and told and not (alike and "." not in found[0][-1]) else None


def _roman(found: re.Match[str]) -> Span | None:
    """A day above eight: grades and stages end there; or a word for what is done before it."""
    if found["month"] in ("I", "V") and int(found["day"]) < 13:
        return None
    told = re.search(rf"\b{alternatives(_DONE)}[\s:]{{1,2}}$", before(found, 16))
    return _no_fraction(found) if told or int(found["day"]) > 8 else None


_LATER = frozenset(["fu", "f/u", "rv", "review", "reviewed", "scan", "repeat", "kontroll", "visita", "next", "last"])
#: Words of a stay, behind which a day may stand without a zero: "wypis 7.05".
_STAY = listed("""back adm admit admitted admission discharged aufnahme entl entlassung entlassen termin przyjeta
przyjety przyjecie wypis wypisana wypisany zabieg operacja wizyta inlagd utskriven hem indlagt udskrevet innlagt
utskrevet ameliyat yatis taburcu randevu geplant sturz unfall opname ontslag""")


def _done(found: re.Match[str]) -> Span | None:
    """Words that are scores or sizes too are no cue where a thing follows; "last 3/5 on the left" is a power."""
    if re.match(
        r"\s?(?:mm|cm|mg|kg|power|strength|of\b|on\sthe|in\sthe|scale|score|points|slices|images|sequences|cases|patients|"
        r"readers|fields|quadrants|lobes?|segments?|levels?|nodes?|tablets|x\b|weeks|wks|days|months|hours|mrc|positive|"
        r"lung|width|height|pain|weakness|vision|mnd\b|man\b|mo\b|mois|mes\b|mesi|meses|mies|mon\b|monat|ay\b|aylik|"
        r"semaines?|sem\b|weken|veck|uker|uger|tyg|haft|woch|jours|dias|giorni|dagen|tage|maanden|maneder|manader)",
        after(found, 14),
    ):
        return None
    if re.fullmatch(r"(?:[1-9]|1[028])/12", found["it"]) and found["word"].lower() in _LATER:
        return None  # "f/u 6/12" is in six months
    if re.match(r"[1-9]\.\d\d$|\d?\d-\d$|\d-\d", found["it"]) and found["word"].lower() not in _STAY:
        return None
    if found["it"].count(".") == 1 and re.match(r"\s?[a-z%]{1,4}\b", after(found, 6)) and not found["it"].endswith("."):
        return None
    return found.span("it")


RULES: tuple[Rule, ...] = (
    Rule("date", "day and month of what is done", _DONE_RULE, cues_of(_DONE), place=_done),
    Rule("date", "day and month with a time", _CLOCK, numbers=True, place=_no_fraction),
    Rule("date", "days and months in digits", _FROM_TO, numbers=True, place=_range),
    Rule("date", "day and month in Roman figures", _ROMAN, numbers=True, place=_roman),
    Rule(
        "date",
        "month, day and a result",
        _RESULT,
        cues_of(
            "jan feb mar apr may jun june jul july aug sep sept oct nov dec january february march april august "
            "september october november december"
        ),
    ),
    Rule("date", "day and month with a stop", _PREPOSED, cues_of("am vom seit dnia dn od den d pvm klo")),
    Rule(
        "date",
        "seconds of a clock",
        _EPOCH,
        cues_of(
            "ts timestamp time epoch unix unixtime created updated modified acquired mtime ctime zeit datetime at seen "
            "admit start end iat exp"
        ),
    ),
)
