"""Dates in words, as they are dictated: "the twenty third of April", "dwudziestego maja", "oh three oh four "
"nineteen"."""

from __future__ import annotations

import re

from unveil.gate.months import ANY_MONTH, MONTHS, OTHER, YEAR
from unveil.gate.rule import Rule, Span, after, alternatives, compiled, cues_of, signs_of
from unveil.gate.words import listed

#: Days' numbers by language; tens take one of the ones behind them.
_DAYS = """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth one two three four five six seven eight nine
ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty eins zwei drei vier funf
sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn achtzehn neunzehn zwanzig
einundzwanzig zweiundzwanzig dreiundzwanzig dreissig einunddreissig erste ersten erster zweite zweiten zweiter dritte
dritten dritter vierte vierten vierter funfte funften funfter sechste sechsten sechster siebte siebten siebenten achte
achten achter neunte neunten neunter zehnte zehnten elfte elften zwolfte zwolften dreizehnten vierzehnten funfzehnten
sechzehnten siebzehnten achtzehnten neunzehnten zwanzigsten dreissigsten einundzwanzigsten zweiundzwanzigsten
dreiundzwanzigsten vierundzwanzigsten funfundzwanzigsten sechsundzwanzigsten siebenundzwanzigsten achtundzwanzigsten
neunundzwanzigsten einunddreissigsten premier un deux trois quatre cinq sept huit neuf dix onze douze treize quatorze
quinze seize dix-sept dix-huit dix-neuf vingt vingt-et-un vingt-deux vingt-trois vingt-quatre vingt-cinq vingt-six
vingt-sept vingt-huit vingt-neuf trente trente-et-un primero primer uno dos tres cuatro cinco seis siete ocho nueve
diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve veinte veintiuno veintidos veintitres
veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve treinta primo due tre quattro cinque sei sette
otto nove dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove venti ventuno
ventidue ventitre ventiquattro venticinque ventisei ventisette ventotto ventinove trenta trentuno primeiro dois quatro
sete oito dez doze treze catorze quatorze dezesseis dezasseis dezessete dezassete dezoito dezenove dezanove vinte
trinta eerste tweede derde vierde vijfde zesde zevende achtste negende tiende elfde twaalfde dertiende veertiende
vijftiende zestiende zeventiende achttiende negentiende twintigste eenentwintigste tweeentwintigste drieentwintigste
vierentwintigste vijfentwintigste zesentwintigste zevenentwintigste achtentwintigste negenentwintigste dertigste
eenendertigste een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien
zeventien achttien negentien twintig eenentwintig tweeentwintig drieentwintig vierentwintig vijfentwintig zesentwintig
zevenentwintig achtentwintig negenentwintig dertig eenendertig pierwszego drugiego trzeciego czwartego piatego
szostego siodmego osmego dziewiatego dziesiatego jedenastego dwunastego trzynastego czternastego pietnastego
szesnastego siedemnastego osiemnastego dziewietnastego dwudziestego trzydziestego pierwszy drugi trzeci czwarty piaty
szosty siodmy osmy dziewiaty dziesiaty forsta andra tredje fjarde femte sjatte sjunde attonde nionde tionde elfte
tolfte trettonde fjortonde femtonde sextonde sjuttonde artonde nittonde tjugonde tjugoforsta tjugoandra tjugotredje
tjugofjarde tjugofemte tjugosjatte tjugosjunde tjugoattonde tjugonionde trettionde trettioforsta forste anden andre
fjerde syvende sjuende ottende attende niende tiende ellevte tolvte trettende fjortende femtende sekstende syttende
attende nittende tyvende enogtyvende toogtyvende treogtyvende fireogtyvende femogtyvende seksogtyvende syvogtyvende
otteogtyvende niogtyvende tredivte enogtredivte tjuende tjueforste tjueandre tjuetredje tjuefjerde tjuefemte bir iki
uc dort bes alti yedi sekiz dokuz on on_bir on_iki on_uc on_dort on_bes on_alti on_yedi on_sekiz on_dokuz yirmi otuz
первого второго третьего четвертого пятого шестого седьмого восьмого девятого десятого одиннадцатого двенадцатого
тринадцатого четырнадцатого пятнадцатого шестнадцатого семнадцатого восемнадцатого девятнадцатого двадцатого двадцать
тридцатого тридцать"""
_NUMBER = alternatives(_DAYS)
_TENS = alternatives(
    "twenty thirty vingt trente veinte treinta venti trenta vinte trinta dwudziestego trzydziestego yirmi otuz "
    "двадцать тридцать"
)
_SPOKEN = rf"(?:{_TENS}[\s-](?:and\s|et\s|e\s|y\s)?{_NUMBER}|{_NUMBER})"
_YEAR_BEHIND = rf"(?!\w)(?P<year>[\s,]{{1,2}}(?:de\s|del\s)?{YEAR})?"
_IN_WORDS = compiled(
    rf"(?<!\w)(?P<number>{_SPOKEN})[\s,]{{1,2}}(?P<the>(?:day\s)?of\s|de\s|di\s|d'|van\s|av\s)?(?P<month>{ANY_MONTH})"
    + _YEAR_BEHIND
)
_MONTH_FIRST = compiled(rf"(?<!\w)(?P<month>{ANY_MONTH})\s(?P<the>the\s)?(?P<number>{_SPOKEN})" + _YEAR_BEHIND)
_CARDINALS = listed(
    "one two three four five six seven eight nine ten eleven twelve twenty thirty second on un uno uma dos due tre sei"
)
_NO_MONTHS = listed("may march mar mars out set ago mag gen oct ara sub tem kas luty ocak mai sep dec jan")

_DIGIT = "(?:one|two|three|four|five|six|seven|eight|nine)"
_TEEN = "(?:ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen)"
_OF_DAY = rf"(?:(?:twenty|thirty)(?:[\s-]{_DIGIT})?|{_TEEN})"
_OH = rf"(?:(?:oh|o|zero|nought|naught)[\s-]{_DIGIT})"
_TENS_OF_YEAR = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_IN_YEAR = (
    rf"(?:(?:nineteen|twenty|eighteen)[\s-](?:{_TENS_OF_YEAR}(?:[\s-]{_DIGIT})?|{_TEEN}|{_OH}|hundred)|"
    rf"two\sthousand(?:\s(?:and\s)?(?:{_OF_DAY}|{_DIGIT}))?|{_TENS_OF_YEAR}(?:[\s-]{_DIGIT})?|{_TEEN}|{_OH})"
)
_OF_MONTH = "(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth)"
_DICTATED = compiled(
    rf"(?<!\w)(?P<it>{_OH}\s(?:slash\s|dash\s|dot\s|stroke\s|point\s)?(?:{_OH}|ten|eleven|twelve|{_OF_DAY})\s"
    rf"(?:slash\s|dash\s|dot\s|stroke\s|point\s)?{_IN_YEAR}|{_OF_DAY}\s(?:slash\s|dash\s|dot\s|stroke\s)?{_OH}\s(?:slash\s|"
    rf"dash\s|dot\s|stroke\s)?{_IN_YEAR}|(?:{_DIGIT}|{_OF_DAY}|\d{{1,2}})\s(?:slash|dash|stroke|dot)\s(?:{_DIGIT}|{_OF_DAY}|"
    rf"\d{{1,2}})\s(?:slash|dash|stroke|dot)\s(?:{_IN_YEAR}|\d{{2,4}})|"
    rf"(?:{_SPOKEN}\s(?:of\s)?(?:the\s)?{_OF_MONTH}|(?:the\s)?{_SPOKEN}\sof\s(?:the\s)?{_OF_MONTH})[\s,]{{1,2}}(?:of\s)?"
    rf"(?:{_IN_YEAR}|{YEAR}|'?\d\d))(?!\w)(?!\s(?:mm|cm|percent|per\scent|ml|mg|metacarpal|metatarsal|ventricle|rib|ray))"
)
_GERMAN_MONTH = (
    "(?:ersten?|zweiten?|dritten?|vierten?|funften?|sechsten?|siebte?n?|achten?|neunten?|zehnten?|elften?|zwolften?)r?"
)
_DICTATED_ABROAD = compiled(
    rf"(?<!\w)(?:am|vom|seit|bis|den|geboren|geb\.|dem|der)\s(?:dem\s)?(?P<it>{_SPOKEN}\s{_GERMAN_MONTH}"
    rf"(?:\s(?:neunzehn\w{{0,30}}|zwanzig\w{{0,20}}|zweitausend\w{{0,30}}|\d{{2,4}})(?!\w)|(?=[,.;:)]|$|\s(?:um|war|wurde|"
    rf"ist|und|mit|bei|zur|zum|im|in|operiert|aufgenommen|entlassen|gesturzt)\b)))|"
    rf"(?<!\w)(?P<punct>{_SPOKEN}\s(?:punkt|strich|slash|barra|sbarra|punto|tiret|streepje|schuine\sstreep|kropka|lamane|snedstreck)"
    rf"\s{_SPOKEN}(?:\s(?:punkt|strich|slash|barra|sbarra|punto|tiret|kropka|lamane)\s[\w-]{{2,30}}))(?!\w)|"
    rf"(?<!\w)(?P<romance>(?:le|el|il|dia|em|del|desde\sel)\s{_SPOKEN}\s(?:du|del|do)\s{_SPOKEN}(?:\s(?:del?|do|dos)\s[\w-]{{3,20}}"
    rf"(?:\s[\w-]{{3,12}})?)?)(?=[,.;:)]|$|\s(?:a\b|por|con|com|y\b|e\b|et\b|se\b|per))"
)
#: Months of other languages, in small letters, behind a word for in or since.
_SMALL = """janvier fevrier avril juin juillet aout septembre octobre novembre decembre enero febrero abril mayo junio
julio agosto septiembre setiembre octubre noviembre diciembre gennaio febbraio marzo aprile maggio giugno luglio
settembre ottobre dicembre janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro januari
februari maart mei juni juli augustus augusti september oktober november december styczniu lutym marcu kwietniu maju
czerwcu lipcu sierpniu wrzesniu pazdzierniku listopadzie grudniu stycznia lutego kwietnia czerwca lipca sierpnia
wrzesnia pazdziernika listopada grudnia nisanda mayista haziranda temmuzda agustosta eylulde ekimde kasimda aralikta
ocakta subatta januar februar marts январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре
января февраля апреля"""
_MONTH_ALONE = compiled(
    rf"(?<!\w)(?:en|em|in|a|ad|od|do|w|we|i|sedan|siden|fra|fran|till|til|depuis|desde|dal|da|fin|debut|mi|inizio|fine|meta|"
    rf"mediados\sde|finales\sde|principios\sde|fim\sde|fins\sde|meados\sde|inicio\sde|comeco\sde|sinds|begin|eind|half|medio|"
    rf"vanaf|tot|jusqu'en|courant|hasta|ate|fino\sa|poczatku|koncu|polowie|gegen|ab|в|с|до|к)(?:-|\s)"
    rf"(?P<it>{alternatives(_SMALL)})(?!\w)|(?<!\w)(?P<turkish>(?:nisan|mayis|haziran|temmuz|agustos|eylul|ekim|kasim|aralik|"
    rf"ocak|subat|mart)\s(?:ayinda|ayindan|basi|basinda|sonu|sonunda|ortasi|ortasinda))(?!\w)|"
    rf"(?<!\w)(?P<turkish2>(?:nisan|mayis|haziran|temmuz|agustos|eylul|ekim|kasim|aralik|ocak|subat|mart)'?"
    rf"(?:[dt][ae]n?|in|un))(?!\w)"
)


def _month_is_meant(found: re.Match[str]) -> Span | None:
    """ "Six may show" and "on second march" are no days; with a capital, an ordinal or a year they are."""
    month, number = found["month"], re.split(r"[\s-]+", found["number"].lower())
    if month.lower() not in _NO_MONTHS or found["year"] or found["the"]:
        return found.span()
    verb = (
        r"\s*(?:be|have|also|not|show|repr|indic|sugg|fract|refl|haemo|hemo|corr|need|requ|cause|cont|occur|mim|hide)"
    )
    if month.lower() in ("may", "march") and re.match(verb, after(found, 12)):
        return None
    if month.lower() == "oct":
        return found.span() if month == "Oct" else None
    written = month[0].isupper() and not month.isupper()
    return found.span() if written or len(number) > 1 or number[0] not in _CARDINALS else None


def _one(found: re.Match[str]) -> Span | None:
    """The group that took part."""
    return next((found.span(name) for name, part in found.groupdict().items() if part), None)


_GERMAN_CUES = cues_of("am vom seit bis den geboren geb dem der le el il dia em del desde", _DAYS)
RULES: tuple[Rule, ...] = (
    Rule(
        "date", "month and day in words", _MONTH_FIRST, cues_of(MONTHS, OTHER), signs_of(MONTHS), place=_month_is_meant
    ),
    Rule("date", "day in words", _IN_WORDS, cues_of(_DAYS), signs_of(_DAYS), place=_month_is_meant),
    Rule("date", "date as dictated", _DICTATED, cues_of(_DAYS, "oh o zero nought naught the"), numbers=True),
    Rule("date", "date as dictated in other languages", _DICTATED_ABROAD, _GERMAN_CUES, place=_one),
    Rule(
        "date",
        "month alone in other languages",
        _MONTH_ALONE,
        cues_of(_SMALL, "nisan mayis haziran temmuz agustos eylul ekim kasim aralik ocak subat mart"),
        signs_of(_SMALL),
        reach=14,
        place=_one,
    ),
)
