"""Ages over 89 in words and in passing: "ninety-odd", "nittiosju år", "her hundredth year", "b. 1926", "alive
at 91 and 95".

Degrees, percentiles, pressures, rates and saturations of 90 to 110 are no ages, nor is what is ninety or a hundred of
something else.
"""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, alternatives, before, compiled, cues_of, signs_of

_OLD = r"(?:9\d|1[01]\d|120)"


def _each(form: str, ones: str) -> str:
    """A number's word with each of the numbers from one to nine."""
    return " ".join(form.replace("*", one) for one in ones.split())


#: Numbers from ninety on that are one word, by language.
_COMPOUND = " ".join(
    [
        _each("ninety-* ninety_*", "one two three four five six seven eight nine"),
        _each("*undneunzig", "ein zwei drei vier funf fuenf sechs sieben acht neun"),
        _each("hundert* hundertund*", "eins zwei drei vier funf sechs sieben acht neun zehn"),
        _each("*ennegentig *-en-negentig", "een twee drie vier vijf zes zeven acht negen"),
        _each("nittio*", "en ett tva tre fyra fem sex sju atta nio"),
        _each("nitti*", "en ett to tre fire fem seks sju syv atte ni"),
        _each("*oghalvfems", "en to tre fire fem seks syv otte ni"),
        _each("novant*", "uno adue atre aquattro acinque asei asette otto anove"),
        _each("cento*", "uno due tre quattro cinque sei sette otto nove"),
        _each("honderd*", "een twee drie vier vijf zes zeven acht negen tien"),
        _each("hundra* hundre*", "ett to tva tre fyra fire fem sex seks sju"),
    ]
)
_SINGLE = """ninety neunzig nonante noventa novanta negentig nittio nitti halvfems halvfemsindstyve dziewiecdziesiat
doksan devadesat kilencven nouazeci девяносто ενενηντα yhdeksankymmenta"""
_HUNDRED = "hundred hundert einhundert cent cien ciento cento cem honderd hundra hundre hundrede sto yuz"
_MORE = r"(?:\s(?:y\s|e\s|et\s|i\s|og\s|och\s|and\s|en\s)?(?:a?\w{2,10}))?"  # what goes on with them: "y dos", "üç"
_NUMBER = (
    rf"(?:(?:over\s|more\sthan\s|a\s|one\s)?(?:{alternatives(f'{_COMPOUND} {_SINGLE} {_HUNDRED}')})|"
    r"quatre-?\s?vingts?-?\s?(?:dix|onze|douze|treize|quatorze|quinze|seize)(?:-(?:sept|huit|neuf))?)"
)
_YEARS = """years year yrs yr yo y/o y.o jahre jahren jahrig jahrige jahriger jahrigen ans anos anni jaar jarige lat
lata letni letnia letniego ar aar arig arige arigt aring yasinda yasindaki yas let ev eves ani vuotta лет год χρονων
ετων"""
_GONE = r"(?!\s?(?:ago|later|before|previously|prior|survival|fa\b|atras|sedan|siden|geleden|temu|war\b))"

_SICK = (
    r"(?:spo2|sao2|sats?|saturation|o2|hr|pulse|rate|bp|map|sbp|pressure|temp\w{0,7}|fever|bmi|weight|wt|kg|glucose|score|"
    r"lvef|ef|egfr|gfr|hb|flow|speed|angle|dose|kv|kvp|sodium|urea|psa|crp|rr|fio2|volume|hu|height|size)"
)
#: What makes a number something else than years.
_UNIT = (
    r"(?![\w%/]|[.,:-]\d|\s?(?:%|x\b|mm|cm|kg|lbs?\b|days?|months?|weeks?|hours?|min|sec|percent|per\s?cent|on\b|of\b|watts?|"
    r"met(?:re|er)s?|m\b|ml|mg|mcg|times|bpm|mmhg|degrees?|deg\b|hu\b|beats|kvp?\b|kpa|ms\b|mgy|gy\b|l/|slices|images|"
    r"cases|patients|scans|women|men|points|units|prozent|grad|grados|gradi|graus|por\s|pour\s|pro\s|procent))"
)
_END = (
    r"(?=[,.;)!?]|$|\s(?:and\b|but\b|with\b|who\b|yo\b|y/o|years|lives?\b|still\b|so\b|now\b|w/|in\b|from\b|as\sper|"
    r"per\b|according|by\b|next\b|last\b|this\b|soon|on\smonday|presents|presenting|fell|found|admitted|should|would|"
    r"fit\b|frail))"
)
_PERSONS = """patient pt lady woman man gentleman gent she'll he'll mother father mum mom dad grandmother grandfather
grandma grandpa granny gran nan nanna great-nan great-gran great_grandmother great_grandfather great-aunt great-uncle
aunt uncle wife husband widow widower resident veteran she he she's he's nun farmer uroma uropa oma opa grossmutter
grossvater urgrossmutter mutter vater abuela abuelo bisabuela bisabuelo madre padre nonna nonno bisnonna bisnonno
signora signore senora senor avo bisavo mae pai mevrouw meneer dame herr frau babcia dziadek prababcia mormor farmor
morfar farfar gammelmormor anneanne babaanne teyze monsieur madame grand-mere grand-pere arriere-grand-mere
arriere-grand-pere"""
_FAMILY = """mother father mum mom dad grandmother grandfather grandma grandpa granny gran nan aunt uncle sister
brother mgm mgf pgm pgf mutter vater oma opa tante onkel"""
_RELATIVES = f"""{_PERSONS.replace(" pt ", " ")} parents brother sister siblings brothers sisters mgm mgf pgm pgf twin
spouse partner moeder vader matka ojciec mere pere mamma pappa tante onkel zia zio tia tio"""

_ODD = compiled(
    rf"(?<!\w)(?P<it>ninety[\s-]?(?:odd|something|ish|plus|summat)|9\d[\s-]?(?:odd|something|ish)){_UNIT}{_END}"
)
_PUSHING = compiled(
    rf"(?<!\w)(?:pushing|nudging|knocking\son|nearing|approaching|hitting|touching|rising|going\son|well\spast|"
    rf"north\sof|(?:on\s)?(?:the\s)?(?:wrong|right|far)\sside\sof|upwards\sof|not\sfar\soff|just\sshy\sof|shy\sof|"
    rf"coming\sup\s(?:to|for)|turns|turned|turning|made\sit\sto|lived\sto|well\sover|celebrat\w{{2,4}}(?:\s(?:her|his))?|"
    rf"reached|reaching|becoming|became|compi(?:uto|e)|cumpli(?:o|do)|cumple|fez|fylld?er?|fylte|fyldte|skonczyla?|wird|"
    rf"wurde|werd|wordt|vient\sd'avoir|a\sfete)\s(?:a\s|the\sripe\sage\sof\s)?(?P<it>{_OLD}|{_NUMBER}{_MORE})"
    + _UNIT
    + _END
)
#: Words that are said of years alone: "cumplió 94 el mes pasado".
_COMPLETED = compiled(
    rf"(?<!\w)(?:compi(?:uto|uti|e|ra)|cumpli(?:o|do|ra)|cumple|cumplira|fyller|fyllde|fylte|fyldte|skonczyla?|skonczy|fara|"
    rf"fete\sses|feierte\s(?:ihren|seinen)|vient\sd'avoir)\s(?:los\s|i\s|gli\s)?(?P<it>{_OLD}){_UNIT}"
)
_DIAGNOSED = compiled(
    rf"(?<!\w){alternatives(_FAMILY)}\s(?:[a-z/'-]{{1,14}}\s){{1,5}}at\s(?:age\s|the\sage\sof\s)?(?P<it>{_OLD}){_UNIT}"
    r"(?=[,.;)]|$|\s(?:and|but)\b)"
)
_SAID = compiled(
    r"(?<!\w)(?P<it>ninety(?:[\s-](?:one|two|three|four|five|six|seven|eight|nine))?\sy\s?(?:/\s?)?o?|aged\s(?:in\s)?(?:her\s|his\s)?"
    r"(?:early\s|mid\s|late\s)?(?:nineties|90s))(?!\w)"
)
_BIG = compiled(
    r"(?<!\w)(?P<it>(?:the\s|her\s|his\s)?big\s(?:nine[\s-]oh?|9[\s-]?[0o]|9-0|ninety|one[\s-]oh[\s-]oh|hundred(?=[,.;)]|$)|100(?=[,.;)]|$)|ten[\s-]"
    r"oh)|(?:four\s?-?score|4\sscore)\s(?:years\s)?(?:and\s)?(?:ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"seventeen|eighteen|nineteen)|five\s?score(?:\syears)?|quatre-vingt-dizaine|nonantaine|(?:9\d|1[01]\d)\snot\sout|"
    r"(?:card|telegram|letter|message)\sfrom\s(?:the|her|his)\s(?:king|queen|palace|majesty|monarch)|"
    r"born\sin\sthe\s(?:19[0-2]0'?s|nineteen\s?(?:tens|twenties)|roaring\stwenties|twenties)|"
    r"(?:celebrated|reached|passed|past)\s(?:her|his)\s(?:century|centenary))(?!\w)"
)
_PERSON_HUNDRED = compiled(
    rf"(?<!\w)(?:{alternatives(_PERSONS)}|(?:so|hence|now|aged|nearly|almost))[,:]?\s(?:(?:is|was|now|aged?|of|about|"
    rf"almost|nearly|already|just|well|at|so|claims|reportedly|said|to|be|over|past|above|more|than)\s){{0,4}}"
    rf"(?P<it>(?:a\s|one\s)?(?:hundred|ninety)(?:[\s-](?:and\s)?(?:one|two|three|four|five|six|seven|eight|nine|ten|"
    rf"eleven|twelve|odd))?)" + _UNIT + _END
)
_IN_YEARS = compiled(rf"(?<!\w){_NUMBER}{_MORE}(?:\s\w{{2,9}})?[\s-]{{0,2}}{alternatives(_YEARS)}(?!\w)" + _GONE)

_TH = _each("ninety-* ninety_*", "first second third fourth fifth sixth seventh eighth ninth")
_TH = f"ninetieth {_TH} hundredth hundred_and_first hundred_and_second hundred_and_third hundred_and_fourth"
_ORDINAL = compiled(
    rf"(?<!\w)(?P<it>(?:{alternatives(_TH)}\s(?:year\b(?!s)|birthday|bday|decade|anniversary)|"
    r"(?:\w{0,12}neunzigste[nrs]?|hundert\w{0,8}ste[nrs]?|\w{0,10}negentigste|honderd\w{0,6}ste|nittio\w{0,6}de|nitti\w{0,6}nde|"
    r"hundrade|hundrede?nde|nonagesimo(?:\s\w{3,9})?|novant\w{2,10}esimo|centesimo|quatre-vingt-(?:dix|onz|douz|treiz|"
    r"quatorz|quinz|seiz)\w{0,9}ieme|nonantieme|centieme|dziewiecdziesiat\w{0,3}(?:\s\w{4,9})?|setn\w{1,3}|doksan\w{2,6}|"
    r"doksan\s\w{3,8}nc[iu]|yuzuncu)\s(?:geburtstag\w{0,2}|lebensjahr\w{0,2}|jahr\b|verjaardag|levensjaar|fodelsedag\w{0,2}|"
    r"levnadsar|levear|fodselsdag\w{0,2}|cumpleanos|aniversario|anniversaire|annee|anno\b|ano\sde|compleanno|urodzin\w?|"
    r"rok\w{0,2}\szycia|yas\sgunu|dogum\sgunu\w{0,4})|(?:nittio\w{0,5}|nitti\w{0,5}|hundra\w{0,5}|hundre\w{0,5}|\w{0,8}halvfems"
    r"\w{0,9})ars(?:dag\w{0,4}|aldern)))(?!\w)"
)
_ORDINAL_DIGITS = compiled(
    rf"(?<![\w.,/-]){_OLD}(?:st|nd|rd|th|te[nr]?|ste|de|e|eme|a|o|\.|:e|'?inc[iu])?[\s-]{{1,2}}(?:levensjaar|rok\w{{0,2}}\s"
    rf"zycia|levnadsar\w{{0,2}}|levear|anno\sdi\svita|ano\sde\svida|anos?\sde\sidade|year\sof\slife|yas\sgunu|dogum\sgunu|"
    rf"urodzin\w?|fodelsedag|fodselsdag|arsdag\w{{0,2}}|arsaldern|latek|latka|latki|latkowi|arig\w{{0,2}}|aring\w{{0,2}}|"
    rf"aarig\w{{0,2}}|jahrig\w{{0,2}}|jarig\w{{0,2}}|yasli|yaslarinda|lik\shasta|primavera|odd\syear|lety|leta)(?!\w)|"
    rf"(?<![\w.,/-]){_OLD}[\s-]?enn[ei](?!\w)|(?<![\w.,/-])9\d(?:\s(?:y\spico|y\stantos|e\spoucos|e\stantos|i\skilka|kusur|"
    rf"og\snoget)|'?li\syaslar\w{{0,6}}|'?erne|ern|er\sjahren)(?!\w)|(?<!\w)P{_OLD}Y(?![\w])"
)
_WORDS = compiled(
    r"(?<!\w)(?P<it>(?:\w{0,10}halvfems\w{0,10}arig\w{0,2}|nittio?\w{0,6}ar(?:ig|ing)\w{0,3}|hundr[ae]\w{0,6}ar(?:ig|ing)"
    r"\w{0,3}|dziewiecdziesiecio\w{0,12}(?:letni|latk|latek)\w{0,3}|stu?\w{0,12}(?<=[uo])letni\w{0,3}|stulat(?:ek|k)\w{0,2}|"
    r"doksanlik\w{0,3}|doksanlarinda|doksanini|yuz\syasin\w{0,5}|noventon\w{0,2}|noventaner\w{1,2}|noventi\w{1,3}ner\w|"
    r"(?:mitt|mitte|end|ende|anfang|spat|ueber|uber)neunziger(?:in)?|neunziger(?:in)|\w{0,8}negentig(?:er|jarig)\w{0,3}|"
    r"honderd\w{0,6}jarig\w{0,3}|(?:\w{0,8}und)?neunzigjahr\w{0,4}|hundert\w{0,6}jahrig\w{0,2}|"
    r"kilencven\w{0,8}eves|devadesati\w{0,6}let\w{1,3}|"
    r"(?:noventa|novanta|neunzig|nonante|negentig|nittio|nitti|dziewiecdziesiat|doksan)\s(?:y\s(?:tantos|pico|largos)|e\s(?:"
    r"tantos|poucos|qualcosa|passa)|irgendwas|en\snog\swat|nagonting|noe|kilka|pare|kusur)|"
    r"(?:pasados?|cumplidos|entrada\sen|rozando|camino\sde)\slos\snoventa|(?:sulla|oltre\sla|verso\sla)\snovantina|"
    r"(?:oltre|passati|verso|supera\w{0,3})\si\s(?:novanta|cento)|na\scasa\sdos\s(?:noventa|90)|"
    r"(?:ver|begin|eind|diep|ruim|dik|half|midden|hoog)\s(?:in\s(?:de|haar|zijn)\s)?negentig|"
    r"(?:over|drygt|narmare|godt\sover|passert|fyllda|nesten|naesten)\s(?:nittio|nitti|halvfems|hundra|hundre)(?=[,.;]|$|\sar)|"
    r"(?:midt|mitt|forst|sist|i\sslutet\sav|i\sborjan\sav)?\s?i\s(?:halvfemserne|nittioarsaldern|nittiarene)|"
    r"(?:po|grubo\spo|dobrze\spo|przed|kolo)\s(?:dziewiecdziesiatce|dziewiecdziesiatka|dziewiecdziesiatki|setce|setka)|"
    r"(?:anfang|mitte|ende|uber|knapp|fast|gut|weit\suber|hoch\sin\sden|in\sden)\s(?:neunzig(?:ern?)?|hundert)(?=[,.;)]|$|"
    r"\s(?:und|ist|lebt|aus|mit|im)\b)|(?:depasse|passe|frole|approche)\s(?:la\s(?:nonantaine|centaine)|les\s90))"
    r")(?!\w)"
)

_BORN = r"""(?:b\.|born(?:\s(?:back\s)?(?:in|c\.|ca\.|around|about|circa))?|
    birth[\s-]?year|year\sof\sbirth|yob|dob|geb\.?|
    geboren(?:\s(?:in|im\sjahre?))?|geburtsjahr|jahrgang|jg\.?|nee?\sen|annee\sde\snaissance|nacid[oa]\s(?:en|el\sano)|
    ano\sde\snacimiento|nat[oa]\snel|classe|anno\sdi\snascita|nascid[oa]\sem|ano\sde\snascimento|geboortejaar|bj\.?|
    ur\.(?:\sw)?|urodzon[aye]\sw(?:\sroku)?|rocznik|rok\surodzenia|fodd(?:\sar)?|fodt(?:\si)?|f\.|fodelsear|fodselsar|
    dogum\s(?:yili|tarihi)|patient'?s?\s?birth\s?date|birth\s?date|г\.\s?р\.|рожд(?:ения|\.))"""
_BIRTH_YEAR = compiled(
    rf"""(?<![\w.]){_BORN}[\s:=()-]{{1,3}}(?P<it>1[89]\d\d|'?(?:2[7-9]|3[0-4])(?=[,.;)]|$|er\b))(?!\w|[.,/-]\d)|
    (?<![\w.,/-])(?P<turkish>1[89]\d\d)(?:[\s-](?:dogumlu|born|geboren|rocznik)|er\sjahrgang)(?!\w)"""
)
_AT_TIME = compiled(
    rf"(?<![\w.,/:<>=-])(?<!\d\s)(?P<it>{_OLD})\s(?:at|by)\s(?:the\s|her\s|his\s|my\s)?(?:time|age|death|diagnosis|"
    rf"presentation|implant|surgery|operation|interview|admission|index|enrol+ment|baseline|exam)(?!\w)"
)
_BOTH = compiled(
    rf"(?<!\w)(?:alive|died|lived|deceased|living|both|parents|survived|dead|sisters|brothers|siblings|aunts|aged?|ages|"
    rf"gestorben|verstorben|lebten|decedes|fallecidos|morti|falecidos|overleden|zmarli)(?:\s(?:to|at|until|till|be|aged?|and|"
    rf"well|into|mit|a|alive|died|con|in|op|w|wieku|of|both|ages)){{0,3}}\s(?:\d{{2,3}}\s?(?:and|&|,|/|und|et|y|e|en|i|och|"
    rf"og|respectively)\s?){{1,2}}(?P<it>{_OLD})" + _UNIT
)
_RELATIVE = compiled(
    rf"(?<!\w){alternatives(_RELATIVES)}[,:]?\s\(?(?:is\s|was\s|d\.\s?|died\s|alive\s|a&w\s|a/w\s|well\s|living\s|aged?\s|now\s|"
    rf"still\s|dec'?d\.?\s|dead\s|at\s|mit\s|today\s|hale\s|lived\s|to\s|reached\s|fit\s){{0,4}}(?P<it>{_OLD})"
    + _UNIT
    + r"(?=[,.;)]|$|\s(?:and|yo|but|with|father|mother|no|from|who|sister|brother|alive|well|a&w)\b)"
)
_GROUP = compiled(
    rf"(?<!\w)(?:ages?|aged|age[\s-](?:group|band|range|bracket|bin|category|class|strat\w{{1,3}})s?|altersgruppe|"
    rf"altersklasse|tranche\sd'age|grupo\s(?:de\sedad|etario)|rango\sde\sedad|fascia\sd'?i?\s?eta|faixa\setaria|"
    rf"leeftijds(?:groep|klasse|categorie)|grupa\swiekowa|aldersgrup?pe?n?|yas\s(?:grubu|araligi)|patients?|women|men|people|"
    rf"residents?|those)[\s:=]{{1,3}}(?:of\s|from\s|between\s|von\s|de\s|over\s|above\s|older\sthan\s|beyond\s)?"
    rf"(?P<it>{_OLD}\s?(?:-|to|bis|and|a|tot|do|til|till)\s?{_OLD}|{_OLD}\s?\+|{_OLD}\s(?:and|or|&)\s(?:older|over|above|up))"
    rf"(?![\w%]|[.,]\d|\s?(?:%|mm|cm|kg|bpm|percent|min|sec|days|weeks))|(?<![\w.,/-])(?P<years>{_OLD}\s?(?:-|to|bis)\s?"
    rf"{_OLD}\s?(?:y\b|yo\b|yrs?\b|years|jahre|ans\b|anos\b|anni\b|jaar|lat\b|ar\b))|(?:>=?|≥|⩾)\s?(?P<over>{_OLD}\s?(?:y\b|"
    rf"yrs?\b|years?|yo\b|y/o|j\b|jahre|ans\b|anos\b|anni\b|jaar\b|lat\b|ar\b|yas))(?!\w)|(?<!\w)(?:over|above|past|beyond|"
    rf"older\sthan)[\s-]9\ds?[\s-](?P<adult>years?|yo\b|olds?)"
)


def _no_measure(found: re.Match[str]) -> Span | None:
    """Rates, pressures and saturations reach ninety too."""
    groups = found.groupdict()
    name = next((group for group in ("it", "turkish", "years", "over", "adult") if groups.get(group)), None)
    return None if name is None or re.search(rf"\b{_SICK}\b[^.;\n]{{0,24}}$", before(found, 40)) else found.span(name)


def _born_long_ago(found: re.Match[str]) -> Span | None:
    """A year of birth up to 1935."""
    name = "turkish" if found["turkish"] else "it"
    year = found[name].lstrip("'")
    return found.span(name) if len(year) == 2 or 1850 < int(year) <= 1935 else None


_NUMBER_CUES = cues_of(_COMPOUND, _SINGLE, _HUNDRED, "quatre a one over more")
_PUSHING_CUES = cues_of(
    "wrong right far pushing nudging knocking nearing approaching hitting touching rising going gone well past "
    "north on the "
    "upwards not just "
    "shy coming turns turned turning made lived celebrated celebrates celebrating celebrate reached reaching "
    "becoming became "
    "compiuto compie cumplio cumplido cumple fez fyller fyllde fylte fyldte skonczyl skonczyla wird wurde werd "
    "wordt vient a"
)
_BORN_CUES = cues_of(
    "b born birth birthyear year yob dob geb geboren geburtsjahr jahrgang jg ne nee annee nacido nacida ano "
    "nato nata classe "
    "anno nascido nascida geboortejaar bj ur urodzona urodzony rocznik rok fodd fodt f fodelsear fodselsar "
    "dogum patient "
    "patients birthdate patientbirthdate patientsbirthdate"
)
RULES: tuple[Rule, ...] = (
    Rule("age over 89", "about ninety", _ODD, cues_of("ninety"), numbers=True, place=_no_measure),
    Rule("age over 89", "about to be so old", _PUSHING, _PUSHING_CUES, place=_no_measure),
    Rule(
        "age over 89",
        "years completed",
        _COMPLETED,
        cues_of(
            "compiuto compiuti compie compira cumplio cumplido cumplira cumple fyller fyllde fylte fyldte "
            "skonczyl skonczyla "
            "skonczy fara fete feierte vient"
        ),
    ),
    Rule("age over 89", "age of a relative's illness", _DIAGNOSED, cues_of(_FAMILY), place=_no_measure),
    Rule("age over 89", "ninety as it is said", _SAID, cues_of("ninety aged")),
    Rule(
        "age over 89",
        "saying for an age",
        _BIG,
        cues_of(
            "the her his big four fourscore five fivescore quatre nonantaine card telegram letter message born "
            "celebrated "
            "reached passed past"
        ),
        numbers=True,
    ),
    Rule(
        "age over 89",
        "somebody's hundred years",
        _PERSON_HUNDRED,
        cues_of(_PERSONS, "so hence now aged nearly almost"),
        place=_no_measure,
    ),
    Rule("age over 89", "years in words", _IN_YEARS, _NUMBER_CUES, signs_of(_SINGLE)),
    Rule(
        "age over 89",
        "year of life in words",
        _ORDINAL,
        cues_of(_TH, "nonagesimo centesimo nonantieme centieme quatre hundrade setne setnych setna yuzuncu"),
        ("neunzigst", "hundert", "egentigste", "honderd", "nitti", "hundr", "novant", "dziewiec", "doksan", "halvfems"),
        reach=12,
    ),
    Rule("age over 89", "year of life in figures", _ORDINAL_DIGITS, cues_of("p"), numbers=True),
    Rule(
        "age over 89",
        "word for one so old",
        _WORDS,
        cues_of(
            "noventa novanta neunzig nonante negentig pasado pasados cumplidos entrada rozando camino sulla "
            "oltre verso "
            "passati supera na ver begin eind diep ruim dik half midden hoog over drygt narmare godt passert "
            "fyllda nesten "
            "naesten midt mitt forst sist i po grubo dobrze przed kolo anfang mitte ende uber knapp fast gut "
            "weit hoch in "
            "depasse passe frole approche yuz noventon noventona stulatek stulatka stuletnia stuletni"
        ),
        (
            "halvfems",
            "nitti",
            "hundra",
            "hundre",
            "dziewiec",
            "doksan",
            "noventa",
            "noventi",
            "neunziger",
            "neunzigj",
            "negentig",
            "honderd",
            "hundert",
            "letni",
            "kilencven",
            "devadesati",
        ),
        reach=12,
    ),
    Rule("age over 89", "year of birth", _BIRTH_YEAR, _BORN_CUES, ("г", "рожд"), numbers=True, place=_born_long_ago),
    Rule("age over 89", "age at what happened", _AT_TIME, numbers=True, place=_no_measure),
    Rule(
        "age over 89",
        "ages of two",
        _BOTH,
        cues_of(
            "alive died lived deceased living both parents survived dead sisters brothers siblings aunts age aged ages "
            "gestorben verstorben lebten decedes fallecidos morti falecidos overleden zmarli"
        ),
        place=_no_measure,
    ),
    Rule("age over 89", "age of a relative", _RELATIVE, cues_of(_RELATIVES), place=_no_measure),
    Rule(
        "age over 89",
        "ages of a group",
        _GROUP,
        cues_of(
            "age ages aged altersgruppe altersklasse tranche grupo rango fascia faixa leeftijdsgroep leeftijdsklasse "
            "leeftijdscategorie grupa aldersgrupp aldersgruppe aldersgruppen yas patients patient women men "
            "people resident "
            "residents those over above past beyond older"
        ),
        (">", "≥", "⩾"),
        numbers=True,
        place=_no_measure,
    ),
)
