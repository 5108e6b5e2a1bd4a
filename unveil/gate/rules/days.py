"""Days told by the week, the month or the year: "last Tuesday", "sabato 3", "KW 14", "the 3rd inst.", "2021.214".

A week day alone is none ("Saturday night palsy"); one that says which ("mardi dernier", "seen Friday") is.
"""

from __future__ import annotations

import re

from unveil.gate.months import YEAR
from unveil.gate.rule import Rule, Span, after, alternatives, before, compiled, cues_of

_ENGLISH = "monday tuesday wednesday thursday friday saturday sunday"
#: Week days that are no other words.
_ABROAD = """montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag lundi mardi mercredi jeudi vendredi
samedi dimanche lunes martes miercoles jueves viernes sabado domingo lunedi martedi mercoledi giovedi venerdi sabato
domenica segunda-feira terca-feira quarta-feira quinta-feira sexta-feira maandag dinsdag woensdag donderdag vrijdag
zaterdag zondag poniedzialek wtorek sroda srode czwartek piatek sobota sobote niedziela niedziele mandag mandagen
tisdag tisdagen tirsdag tirsdagen onsdag onsdagen torsdag torsdagen fredag fredagen lordag lordagen sondag sondagen
mandags tisdags tirsdags onsdags torsdags fredags lordags sondags pazartesi carsamba persembe cumartesi pondeli utery
streda ctvrtek patek hetfo szerda csutortok pentek maanantaina tiistaina keskiviikkona torstaina perjantaina
lauantaina sunnuntaina понедельник вторник среду четверг пятницу субботу воскресенье"""
#: Those that are, and need a word that says which.
_PERHAPS = "segunda terca quarta quinta sexta pazar sali cuma sroda"
_DAYS = f"{_ENGLISH} {_ABROAD}"
_SHORT_DAYS = (
    "mo di mi do fr sa so mon tue tues wed weds thu thur thurs fri sat sun lun mer jeu ven sam dim mie jue "
    "vie sab dom gio qua qui sex seg ter wo vr zo za ma pon wt sr czw pt sob niedz man tir tis ons tor fre lor son"
)
_WEEKDAY = compiled(
    rf"(?<!\w)(?:(?:on|last|since|next|this|am|letzten|le|el|lunedi)\s)?{alternatives(_DAYS)},?\s(?:(?:the|den|der|d\.|"
    rf"le|el|dem|de|dia|il|week)\s)?\d[\d./-]*+(?:st|nd|rd|th|er|e)?(?!\s?(?:mm|cm|%|h\b|uhr|am\b|pm\b|mg|ml))"
)
_LAST_DAY = compiled(
    rf"(?<!\w)(?:on|last|since|next|this|past|previous|coming|every|letzten|letzter|kommenden|vergangenen|vorigen|nachsten|"
    rf"diesen|ubernachsten|vorletzten|vorgestern|seit|vor|nach|bis|ab|am|by|until|till|before|after|for|from|afgelopen|vorige|komende|volgende|"
    rf"sinds|op|zeszly|zeszla|zeszlej|ubiegly|ubiegla|ostatni|ostatnia|przyszly|nastepny|nastepna|w|we|od|do|forra|forrige|"
    rf"sidste|sista|siste|nasta|neste|pa|i|gecen|onumuzdeki|bu|el|le|al|hasta|desde|depuis|ce|pasado|dal|il|la|no|na|ate|"
    rf"ultimo|ultima|prossima?o?|в|во|с|до)\s(?P<it>{alternatives(_DAYS)})(?!\w)(?!\s(?:night\s)?palsy)"
)
_DAY_PAST = compiled(
    rf"(?<!\w)(?P<it>(?:{alternatives(f'{_DAYS} {_PERHAPS}')}|{alternatives(_SHORT_DAYS)}\.?)"
    rf"(?:\s(?:gunu|aksam|abend|abends|morgen|matin|soir|manha|tarde|noite|mattina|sera|avond|ochtend|wieczorem|rano))?,?\s"
    rf"(?:passad[ao]|pasado|ultim[ao]|dernier|prochain|passe|scors[oa]|pross(?:im[oa]|\.)?|proxim[oa]|que\s(?:vem|viene|"
    rf"passou)|last|past|gone|just\sgone|next|a\sweek|week\b|fortnight|voriger\swoche|letzter\swoche|nachster\swoche|jl\.|"
    rf"p\.\s?p\.|p\.\s?v\.|u\.\s?s\.|c\.\s?m\.|jongstleden|aanstaande|a\.s\.|j\.l\.|forra\sveckan|i\ssidste\suge|"
    rf"zeszlego\stygodnia|gelecek|gecen)|(?:{alternatives(_DAYS)}|pazar|sali|cuma)\s(?:gunu|aksami|sabahi)|{alternatives(_ABROAD)}\s(?:abend|nacht|nachmittag|vormittag|mittag|"
    rf"fruh|matin|soir|midi|apres-midi|noche|manana|tarde|noite|manha|mattina|sera|pomeriggio|notte|avond|ochtend|nacht|"
    rf"middag|wieczorem|rano|kvall|morgon|kveld|aften|eftermiddag|formiddag))(?!\w)"
)
_DONE = """seen fell came started admitted discharged scanned reviewed operated born died surgery op done repeat due
back booked slipped tripped injured injury visit appointment presented arrived transferred collapsed removed inserted
placed taken performed extubated intubated attended returned reattended dialysed biopsied rescheduled scheduled
collected drawn weekend opened happened occurred accident crash mva rta rtc hurt hit turned aged repeated imaged ct
mri xray film films scan us echo ultrasound bloods again ward clinic theatre list"""
_DONE_DAY = compiled(
    rf"(?<!\w){alternatives(_DONE)}(?:\s(?:home|in|here|over|again|down|up|\d{{1,3}}|late|early))?,?\s"
    rf"(?P<it>{alternatives(_ENGLISH)})(?!\w)(?!\s(?:to|through|night\spalsy|palsy))"
)
_PART_OF_DAY = compiled(
    rf"(?<!\w)(?<!every\s)(?<!each\s)(?P<it>{alternatives(_ENGLISH)}(?:\s(?:morning|afternoon|evening|night|lunchtime|"
    rf"lunch|noon|arvo|teatime|am|pm|week|just\sgone)(?!\w)(?!\s(?:palsy|list|clinic))|'s\s(?:scan|film|ct|mri?|x-?ray|cxr|"
    rf"study|exam|visit|bloods|labs|echo|ultrasound|us|op|surgery|review|clinic|fall|list|round|images|report)(?!\w)))"
)
#: "anni domenica": a birthday.
_BIRTHDAY = compiled(
    rf"(?<!\w)(?P<it>(?:anni|ans|anos|jahre|jahren|years|yrs|lat|ar|jaar|birthday|geburtstag|cumpleanos|compleanno|"
    rf"aniversario|anniversaire|verjaardag|urodziny)(?:\salt|\sold)?,?\s(?:on\s|am\s|le\s|el\s|il\s|op\s|no\s|last\s|this\s|"
    rf"next\s|was\s|is\s|w\s|pa\s|falls\son\s)?(?:{alternatives(_DAYS)}|yesterday|today|tomorrow|gestern|heute|morgen|hier|"
    rf"aujourd'hui|demain|ayer|hoy|ieri|oggi|domani|ontem|hoje|amanha|gisteren|vandaag|wczoraj|dzisiaj|igar|idag))(?!\w)"
)
_WEEK = compiled(
    rf"(?<!\w)(?:KW|CW|wk|week|woche|kalenderwoche|semaine|semana|settimana|sem|vecka|uge|tydzien|hafta|"
    rf"uke)\.?\s?\d{{1,2}}(?:\.|,)?\s?(?:/|of|von|de|in|en|\s|-)\s?"
    rf"(?:{YEAR}|(?<=/)\d\d)(?!\w)|(?<!\w)(?:{YEAR}-?|'?\d\d-)W\d\d(?:-?\d)?(?!\w)|"
    rf"(?<!\w)(?:KW|kalenderwoche|kalender\s?vecka|kalenderuge|calendar\sweek|weeknummer|epi(?:demiological)?[\s-]week|"
    rf"semaine\scalendaire)[\s.:]{{0,2}}(?:[1-9]|[0-4]\d|5[0-3])(?![\w%]|[.,]\d|\s?(?:kv|mm|cm|mg))|"
    rf"(?<!\w)(?:w/c|w/e|week\s(?:commencing|beginning|ending|of|starting)|wk\s(?:comm(?:encing)?|beg(?:inning)?|ending))"
    rf"\.?\s(?:the\s|mon(?:day)?\s)?\d{{1,2}}(?:st|nd|rd|th|[./-]\d{{1,2}})(?!\w)"
)
_THE_DAY = compiled(
    r"(?<!\w)(?:on|since|until|by|from|before|after|till|of|for|am|seit|bis|vom|between|due|again|back|around|home|op|adm|"
    r"admitted|discharged|seen|scan|scanned|reviewed|booked)\s(?:the|den|dem|"
    r"der)?\s?(?P<it>(?:[1-9]|[12]\d|3[01])(?:st|nd|rd|th))"
    r"(?=[,.;)]|$|\s(?:with|and|at|for|due|then|she|he|they|we|because|when|was|were|in\sthe\s(?:morning|"
    r"evening|afternoon)|inst|ult|prox|last|"
    r"to\s(?:the\s)?\d|of\s(?:the|this|last|next)\smonth|of\smonth)\b)(?<=\d\w\w)"
)
#: "the 3rd of this month" in other languages, "am 3. d. M.", "ayın 4'ünde".
_OF_MONTH = compiled(
    r"(?<![\w.,/])(?P<it>(?:[1-9]|[12]\d|3[01])(?:(?:st|nd|rd|th|er|e|o|a|go|:e|ten|de|ste)?\.?,?\s(?:(?:of\s)?(?:this|last|"
    r"next|the|same)\s(?:current\s|present\s|following\s)?month|inst\b|ult\b|prox\b|d\.?\s?m(?:\.|ts\b|ts\.)|d\.?\s?mts|"
    r"(?:des|dieses|dies\.|laufenden|lfd\.?|vorigen|vergangenen|letzten|kommenden|nachsten)\s(?:monats|monates|m\.|mts\.?)|"
    r"v\.\s?m\.|du\s(?:mois|courant|present)|courant\b|de\sce\smois|del\s(?:mes|presente|corriente|actual|pasado\smes|mese|"
    r"corrente)|de\s(?:este|esta|dicho)\smes|de\slos\scorrientes|"
    r"corr(?:ente|iente)\b|do\s(?:mes|corrente)\b|deste\smes|do\smes\s(?:passado|que\svem)|van\s(?:de|deze|die|vorige)\s"
    r"maand|dezer\b|jl\b|a\.s\.|(?:dnia\s)?(?:tego|biezacego|ubieglego|zeszlego|przyszlego)\s(?:miesiaca|m-ca)|b\.\s?m\.|"
    r"bm\b\.?|denna\smanaden|i\s(?:denna|denne|forra|forrige)\s?manad?(?:en)?|ds\b\.|dennes|i\smaneden))|"
    r"(?:(?<=il\s)|(?<=al\s)|(?<=el\s))\d\d?\s(?:c\.\s?m\.|u\.\s?s\.|p\.\s?v\.|p\.\s?p\.))"
)
_TURKISH = compiled(
    r"(?<!\w)(?P<it>(?:ayin|bu\sayin|gelecek\sayin|gecen\sayin)\s(?:[1-9]|[12]\d|3[01])'?(?:\s?[a-z]{1,6})?)(?!\w|\s?(?:mm|cm|%))"
)
_CALENDAR = compiled(
    r"(?<!\w)(?:(?:cita|consulta|alta|ingreso|revision|vuelve|volvio|control|retorno|volta|exame|ecografia|rm|tc|operad[oa]|"
    r"internad[oa]|vist[oa]|visita|para|hasta|desde|ate)\s(?:para\s|hasta\s|desde\s)?(?:el\s|no\s|em\s|o\s|ao\s)?dia\s"
    r"(?P<it>[1-9]|[12]\d|3[01])|(?:dag|den|d\.|dnia)\s(?P<den>(?:[1-9]|[12]\d|3[01])(?:\.|:e|:a|-?go)))"
    r"(?=[,.;)]|$|\s(?:a\slas|as\s\d|con\b|com\b|y\b|e\b|por\b|se\b|och\b|og\b|kl\b|i\b|o\sgodz))"
)
_SHORT_DAY = compiled(
    rf"(?<!\w)(?<!\d\s)(?<!\d){alternatives(_SHORT_DAYS)}\.?,?\s(?:the\s|den\s|le\s|d\.\s)?(?P<it>(?:0?[1-9]|[12]\d|"
    rf"3[01])[./-](?:0?[1-9]|1[0-2])(?:\.|\b)(?:[./-]?\d{{2,4}})?|"
    rf"(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])|\d{{1,2}}(?:st|nd|rd|th))(?!\w|\s?(?:mm|cm|%|x))"
)
_OF_YEAR = compiled(
    rf"(?<![\w.,/-])(?:(?P<it>(?:19[4-9]|20[0-4])\d[.-](?:00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6]))(?![\w%]|[.,/-]\d|"
    rf"\s?(?:mm|ms|cm|mg|ml|hu|kg))|"
    rf"(?P<day>(?:day|tag|jour|dia|giorno|dag|dzien)\s\d{{1,3}}\s(?:of|in|von|de|del|di|van|av|roku|/)\s?{YEAR})(?!\w)|"
    rf"(?:doy|day[\s-]of[\s-](?:the[\s-])?year|julian(?:\s(?:date|day))?|jd|jdn|mjd)\s?[:=#.]?\s?"
    rf"(?P<named>\d{{3,7}}(?:\.\d{{1,6}})?)(?!\w)|(?P<julian>\d{{5,7}}|(?:\d\d|{YEAR})[./-]?\d{{3}})\s\(?julian)"
)
_QUARTER = compiled(
    rf"(?<![\w.,/-])(?P<it>Q[1-4][\s/'-]{{0,2}}(?:{YEAR}|(?<=[/'\s-])\d\d)|[1-4]Q\s?'?(?:{YEAR}|\d\d)|{YEAR}[\s/-]?Q[1-4]|"
    rf"(?:[1-4](?:st|nd|rd|th|\.|er|e|eme|o|a|de|ste)?|first|second|third|fourth|last|I|II|III|IV|erste[sn]?|zweite[sn]?|"
    rf"dritte[sn]?|vierte[sn]?|premier|deuxieme|troisieme|quatrieme|primer|segundo|tercer|cuarto|primo|secondo|terzo|quarto|"
    rf"primeiro|terceiro|eerste|tweede|derde|vierde|forsta|andra|tredje|fjarde)\.?\s(?:quarter|quartal|qtr|trimestre|"
    rf"kwartaal|kwartal|kvartal|kwartalu|kwartale|kvartalet|ceyrek)(?:\s(?:of|de|del|des|van|av|di|i|w))?,?\s{YEAR})(?!\w)"
)


def _no_time(found: re.Match[str]) -> Span | None:
    """The fifth intercostal space is none of a month, and "for the 3rd time" neither."""
    if re.match(
        r"\s?(?:ics|rib|toe|finger|digit|ray|mc|mt|metac|metat|space|ventric|trimester|nerve|cn)", after(found, 12)
    ):
        return None
    return found.span("it")


def _no_labels(found: re.Match[str]) -> Span | None:
    """A number with a stop that stands behind a word for places ("den 3. Lendenwirbel") is an ordinal."""
    return found.span("den") if found["den"] else found.span("it")


def _no_bed(found: re.Match[str]) -> Span | None:
    """ "Terça parte" and "quinta costela" are no days; "every Monday" of a list is a habit."""
    return (
        None
        if re.search(r"(?:every|each|chaque|cada|ogni|jeden|elke|varje|hver|her)\s$", before(found, 8))
        else found.span("it")
    )


def _no_paper(found: re.Match[str]) -> Span | None:
    """When a paper or a programme came out tells of nobody."""
    out = r"(?:published|publication|released?|approved|issued|funded|launched)\s(?:in\s|of\s|for\s)?(?:the\s)?$"
    return None if re.search(out, before(found, 24)) else found.span("it")


def _of_year(found: re.Match[str]) -> Span | None:
    """Of the forms of a year's day the one that took part; not the rest of a serial number."""
    for group in ("it", "day", "named", "julian"):
        if found[group]:
            return found.span(group)
    return None


RULES: tuple[Rule, ...] = (
    Rule("date", "week day and day", _WEEKDAY, cues_of(_DAYS), reach=9),
    Rule("date", "week day", _LAST_DAY, cues_of(_DAYS), reach=13),
    Rule("date", "week day that is past or to come", _DAY_PAST, cues_of(_DAYS, _PERHAPS, _SHORT_DAYS), place=_no_bed),
    Rule("date", "week day of what was done", _DONE_DAY, cues_of(_ENGLISH), reach=24),
    Rule("date", "part of a week day", _PART_OF_DAY, cues_of(_ENGLISH)),
    Rule(
        "date",
        "day of a birthday",
        _BIRTHDAY,
        cues_of(
            "anni ans anos jahre jahren years yrs lat ar jaar birthday geburtstag cumpleanos compleanno aniversario "
            "anniversaire verjaardag urodziny"
        ),
    ),
    Rule("date", "short week day and day", _SHORT_DAY, cues_of(_SHORT_DAYS)),
    Rule(
        "date",
        "week of a year",
        _WEEK,
        cues_of(
            "kw cw wk week woche kalenderwoche kalender kalendervecka kalenderuge calendar weeknummer epi "
            "epidemiological semaine semana settimana sem vecka uge uke tydzien hafta w"
        ),
        numbers=True,
    ),
    Rule(
        "date",
        "day of the month",
        _THE_DAY,
        cues_of(
            "on since until by from before after till of for am seit bis vom between due again back around home op adm "
            "admitted discharged seen scan scanned reviewed booked"
        ),
        place=_no_time,
    ),
    Rule("date", "day of this month", _OF_MONTH, numbers=True),
    Rule("date", "day of the month in Turkish", _TURKISH, cues_of("ayin bu gelecek gecen")),
    Rule(
        "date",
        "day of the calendar",
        _CALENDAR,
        cues_of(
            "cita consulta alta ingreso revision vuelve volvio control retorno volta exame ecografia rm tc "
            "operado operada "
            "internado internada visto vista visita para hasta desde ate dag den d dnia"
        ),
        place=_no_labels,
    ),
    Rule(
        "date",
        "day of a year",
        _OF_YEAR,
        cues_of("day tag jour dia giorno dag dzien doy julian jd jdn mjd"),
        numbers=True,
        place=_of_year,
    ),
    Rule(
        "date",
        "quarter of a year",
        _QUARTER,
        cues_of(
            "q first second third fourth last i ii iii iv erstes ersten erste zweites zweiten zweite drittes "
            "dritten dritte "
            "viertes vierten vierte premier deuxieme troisieme quatrieme primer segundo tercer cuarto primo "
            "secondo terzo "
            "quarto primeiro terceiro eerste tweede derde vierde forsta andra tredje fjarde"
        ),
        numbers=True,
        place=_no_paper,
    ),
)
