"""Names by how they are written: with an initial, in capitals, letter by letter, in small letters; typists' letters."""

from __future__ import annotations

import re
from collections.abc import Callable

from unveil.gate.names import NOBODY, WORD, eponym, medical
from unveil.gate.rule import Rule, Span, before, whole
from unveil.gate.words import first_name, harmless, known, listed, ordinary, surname

#: Nuria V.; Abdelhakim B.; Zdzislaw G.
_FIRST_INITIAL = (
    r"(?<![\w-])(?P<it>(?P<word>[A-Z][a-z]{2,}(?:-[A-Z][a-z]+)?)\s[A-Z]\.)(?=[\s,;:)]?\s?[a-z(,0-9]|,|\s?$"
    r"|\s[-/|])"
)
#: CASTELNUOVO A. / urgente
_LOUD_INITIAL = (
    r"(?:^|(?<=[/|;,:]\s)|(?<=\s-\s)|(?<=\n))(?P<it>(?P<word>[A-Z][A-Z'-]{3,24}+)(?:\s[A-Z][A-Z'-]{3,24}+"
    r")?\s[A-Z]\.(?:\s?[A-Z]\.)?)(?=\s?[/|,;-]|\s?$|\s\d|\s[A-Z(])"
)
_LOUD_FIRST = (
    r"(?:^|(?<=[/|;:.]\s)|(?<=\n))(?P<it>(?P<word>[A-Z][A-Z'-]{2,24}+(?:\s[A-Z][A-Z'-]{2,24}+)?"
    r"),\s(?P<two>[A-Z][a-z]{2,20}(?:[\s-][A-Z][a-z]{1,20})?)(?:\s\((?P<nick>[A-Z][a-z]+)\))?)(?![\w])"
)
#: W. v. Allwörden
_INITIAL_PARTICLE = (
    rf"(?<![\w.])(?P<it>(?:[A-Z]\.-?\s?){{1,3}}(?:v\.\s?d\.|v\.|van|von|de|del|della|di|da|dos|du|le|la|ter|ten|zu|zur"
    rf"|af|av|el|al|ben|bin|ibn)(?:\s(?:der|den|la|las|los))?\s{WORD})"
)
#: T for tango; spelled horley; fingerspells herself ELOISE
_LETTERS = (
    r"(?<!\w)(?P<it>[A-Za-z]\s(?:for|as\sin|like|wie|comme|de|come|como|jak|som|as)\s(?i:alpha|alfa|bravo|charlie"
    r"|delta|echo|foxtrot|golf|hotel|india|juliett?|kilo|lima|mike|november|"
    r"oscar|papa|quebec|romeo|sierra|tango|uniform|victor|whiskey|whisky|x-ray|xray|yankee|zulu|sugar|apple"
    r"|mother|father|nelly|nora|queen|king|peter|robert|sam|tommy|uncle|"
    r"zebra|anton|berta|casar|caesar|dora|emil|friedrich|gustav|heinrich|ida|julius|kaufmann|konrad|ludwig|martha"
    r"|nordpol|otto|paula|quelle|richard|samuel|siegfried|theodor|"
    r"ulrich|viktor|wilhelm|xanthippe|ypsilon|zacharias|ancona|bologna|domodossola|empoli|firenze|genova|imola"
    r"|livorno|milano|napoli|otranto|palermo|roma|savona|torino|udine|"
    r"venezia|zara|anatole|berthe|celestin|desire|eugene|francois|gaston|henri|irma|joseph|kleber|louis|marcel"
    r"|nicolas|oscar|pierre|quintal|raoul|suzanne|therese|ursule|"
    r"william|xavier|yvonne|zoe)(?:[,;]?\s[A-Za-z][A-Za-z'-]*+){0,3})"
)
_SPELLED = (
    r"(?<!\w)(?i:(?:finger)?spell(?:s|ed|ing|t)?|spelt|buchstabiert|buchstabiere|geschrieben|epel(?:e|er|lation)"
    r"|epelle|s'ecrit|s'ecrivant|deletre(?:a|ado|o|ar)|se\sescribe|si\sscrive|scritto|"
    r"compitato|soletr(?:a|ado|ando)|se\sescreve|gespeld|spel\sik|literowa(?:c|ne)|pisane|bokstaveras|bokstaverat"
    r"|staves|stavet|stavas|yazilir|kodlanir)"
    r"(?:\s(?i:his|her|their|name|surname|himself|herself|it|as|out|like|wie|comme|como|come|so|for|the|record|is"
    r"|with|the\sname|cosi|assim|asi|als|sig|sich|se|by\spatient|correctly|"
    r"last|first|that's)){0,5}\s?[:,]?\s[\x22\x27]?(?P<it>[A-Za-z][A-Za-z'-]{2,}+)"
)
_NAMING = (
    r"(?<![\w-])(?P<it>[a-z]{4,}|[A-Z]{4,}|[A-Z][a-z]{3,})(?:,?\s(?i:spelled|spelt|geschrieben|epele|deletreado"
    r"|scritto|soletrado|with\sa|with\sone|with\stwo|with\san\sextra|mit\szwei|mit\seinem|avec\sdeux|avec\sun"
    r"|con\sdos|con\sdue|con\suna|com\sdois))(?=\s(?:[A-Za-z]\b|[A-Za-z]s\b|double|consonants|two|one|\w+'s))"
)
#: D: 2 pages T: AJQ/tmv; tech QXV; initials m.c.t.; AJQ/tmv at the end
_CODED = (
    r"(?<!\w)(?i:t|d|dict|dictated|typed|typist|transcriptionist|transcribed|tech|technician|technologist|rt"
    r"|radiographer|sonographer|operator|scribe|initials|inits|initialed|initialled|"
    r"kurzel|paraphe|initiales|iniciales|sigla|iniziali|iniciais|rubrica|paraaf|inicjaly|initialer|parafe"
    r"|schreibkraft|mtra|mta|nurse|reader|reporter|signed|sgd|sign|visum|seen|by|"
    r"per|vu\spar|lu\spar|visto)(?:\s(?i:by|is|are|was))?(?:\s?[:=]\s?|\s)(?P<it>(?:[A-Za-z]\.\s?){2,4}"
    r"|[A-Z]{2,4}/[a-z]{2,4}|[A-Z]{3}|[a-z]{3})(?![\w/])"
)
_ENDING_CODE = r"(?<![\w/])(?P<it>[A-Z]{2,4}[/:][a-z]{2,3})(?=\s?(?:\(|$|\d{1,2}[/.-]|[Dd]:|[Tt]:))"
#: INTERPRETED BY......FAROOQUI
_LEADERS = (
    r"(?<!\w)(?i:by|physician|radiologist|technologist|patient|name|attending|referring|doctor|signed|operator"
    r"|resident|nurse|surgeon|reader|author|typist)\s?[.:_-]{3,60}\s?(?P<it>[A-Z][\w'-]{2,}(?:,?\s[A-Z][\w'.-]*){0,2})"
)
#: /es/ LEOPOLD B FENNIMAN
_ES = r"/(?:es|s|e)/\s?(?P<it>[A-Z][\w'-]+(?:,?\s[A-Z][\w'.-]*){0,3})"
#: Resident: okonkwo-bright; il referto di galimberti-sforni
_SMALL_ROLE = (
    r"(?<!\w)(?i:resident|attending|radiologist|consultant|surgeon|physician|fellow|registrar|referrer"
    r"|technologist|radiographer|sonographer|nurse|anaesthetist|author|"
    r"patient\sname|pt\sname|oberarzt|arzt|radiologe|befunder|medecin|radiologue|medico|radiologo|arts|radioloog"
    r"|lekarz|lakare|doktor|hasta\sadi|surname|last\sname|first\sname|forename)"
    r"\s?[:=]\s?(?P<it>[a-z][a-z'-]{3,}+(?:\s[a-z][a-z'-]{3,}+)?)(?=\s?(?:[.,;|)]|$))"
)
_SMALL_DOUBLE = (
    r"(?<!\w)(?:of|for|by|from|di|de|da|do|du|del|della|von|van|fur|pour|para|per|voor|dla|till|til|av|af|mr|mrs"
    r"|ms|dr|pt|patient|paziente|paciente|herr|frau|mme|monsieur|madame|sig)\.?\s"
    r"(?P<it>(?P<one>[a-z]{4,}+)-(?P<two>[a-z]{5,}+))(?![\w-])"
)
#: monsieur trinquefort; hr. ozdemiroglu
_SMALL_TITLE = (
    r"(?<![\w-])(?<!\d\s)(?i:monsieur|madame|mademoiselle|mme|mlle|signora|signor|signorina|sig\.ra|sig\.|senora"
    r"|senorita|sra\.?|srta\.?|dona|senhora|herrn?|frau|hr\.|fr\.|dhr\.?|mevr\.?|"
    r"mevrouw|meneer|pani|pana|panu|mrs\.?|mr\.?|miss|dr\.|dra\.?|prof\.|dott\.|dott\.ssa|docteur|doctor|doktor"
    r"|lek\.|fru|rouva)\s(?P<it>[a-z][a-z'-]{3,}+)(?=\s?(?:[:,.;)?!]|$)|\s"
    r"(?:hangt|hat|ist|mit|wird|war|klagt|falsch|bitte|a|est|se|va|demande|tousse|vient|veut|chiede|riferisce|ha"
    r"|e|vuole|con|de|dice|refiere|acude|tiene|no|heeft|is|was|komt|wil|has|had|"
    r"will|with|for|in|on|at|to|and|from|rotated|needs|came|called|says|said|wants|ma|zglasza|od|har|ringer|och)\b)"
)
#: muthuselvi c/o pain
_COMPLAINS = (
    r"(?:^|(?<=[.!?]\s)|(?<=\n))(?P<it>[a-z]{5,}(?:\s[a-z]{4,})?)\s(?=c/o\b|complains\s|came\swith\b"
    r"|presented\swith\b|presents\swith\b|k/c/o\b|a/w\b)"
)

_ENDINGS = re.compile(r"(?:ed|ing|ly|ble|able|ous|ive|less|ful|ness|ity|ent|ant|ic|al|en)$")
_GROUPS = re.compile(
    r"(?:type|typ|tipo|grade|grad|grado|stage|class|klasse|group|gruppe|level|part|panel|fig(?:ure)?|image|series"
    r"|label|option|zone|vitamin|hepatitis|score|line|segment|category|of)\s?$"
)


def _first_initial(found: re.Match[str]) -> Span | None:
    """ "Nuria V.": no group, no grade; a Roman number behind an unknown word counts where a sentence goes on."""
    word = found["word"]
    if ordinary(word) or harmless(word) or known(word) or medical(word) or _GROUPS.search(word.lower()):
        return None
    return None if eponym(found, found.end()) else found.span("it")


def _loud_initial(found: re.Match[str]) -> Span | None:
    word = found["word"]
    fits = not (known(word) or medical(word) or _GROUPS.search(word.lower()))
    return found.span("it") if fits else None


def _loud_first(found: re.Match[str]) -> Span | None:
    """ "ZIEGELER, Theodora (Teddy)": neither is a known word, or the second is a first name."""
    word, two = found["word"], found["two"]
    if medical(word) or medical(two) or ordinary(two) or ordinary(word):
        return None
    return found.span("it") if (first_name(two) or not known(two)) and (surname(word) or not known(word)) else None


def _spelled(found: re.Match[str]) -> Span | None:
    word = found["it"]
    return None if known(word) or len(word) < 3 or word.endswith(("ly", "ed")) else found.span("it")


def _initials(found: re.Match[str]) -> Span | None:
    """A typist's letters: none of an examination's; three alone only behind "tech" and its like, or "by"."""
    it = found["it"].strip()
    letters = it.replace(".", "").replace(" ", "")
    if "." in it:
        strong = re.match(r"(?i:init|kurz|paraph|sigla|inic|iniz|rubr|dict|typed|scribe|tech|visum|initial)", found[0])
        return found.span("it") if strong and letters.upper() not in NOBODY else None
    if "/" in it:
        cue = before(found, 0) or found[0]
        typed = re.match(r"(?i:t|d|dict|dictated|typed|typist|trans\w+|scribe|init\w+)\b", cue)
        return found.span("it") if typed and it.split("/")[0] not in NOBODY else None
    if it.islower():
        typed = re.match(r"(?i:typed|transcri\w+|initial\w*|inits|kurzel|sigla|iniciales|paraphe)", found[0])
        return found.span("it") if typed and not known(it) and it not in _NO_TYPIST else None
    strong = re.match(
        r"(?i:tech|technician|technologist|radiographer|sonographer|scribe|initial|inits|kurzel|typed|typist"
        r"|transcri|schreibkraft|mtra|mta|visum|sigla|paraphe|dictated|sgd)",
        found[0],
    )
    return found.span("it") if strong and it not in NOBODY and it not in _NOT_INITIALS and not known(it) else None


_NO_TYPIST = listed("the him her you them who our its fax not now new old all any are was has had and for but")
_NOT_INITIALS = listed("""MRI CTA MRA PET FDG ECG EKG USG HRI SPE PDW FSE GRE TSE FLA DWI ADC SWI STI FAT SAT CXR
KUB NCC HRC TTE TEE ERC MRC DXA QCT NMR FOV TIR EPI MIP MPR VRT BIO LAT AXI COR SAG OBL
LPO RPO RAO LAO SID SOD""")
_MACHINES = listed("""CT MR US XR PET TR TE AP PA MRI RIS HIS CTA ECG LV RV IV PO IM SC NP RT LT TI FA FS WW WL""")


def _code(found: re.Match[str]) -> Span | None:
    """ "AJQ/tmv" at the end of a text: who dictated and who typed."""
    one, two = re.split("[/:]", found["it"])
    return (
        found.span("it") if one not in _MACHINES and not known(one) and not known(two) and one not in NOBODY else None
    )


def _leaders(found: re.Match[str]) -> Span | None:
    word = re.split(r"[\s,]", found["it"])[0]
    return None if known(word) and not (first_name(word) and not ordinary(word)) else found.span("it")


def _es(found: re.Match[str]) -> Span | None:
    words = re.findall(r"[\w'-]{2,}", found["it"])
    return found.span("it") if words and not ordinary(words[0]) else None


def _small_role(found: re.Match[str]) -> Span | None:
    words = found["it"].split()
    return (
        found.span("it") if not any(known(word) or _ENDINGS.search(word) or medical(word) for word in words) else None
    )


def _small_double(found: re.Match[str]) -> Span | None:
    """ "galimberti-sforni": one part a common name, or both no words of medicine, neither ending as those do."""
    one, two = found["one"], found["two"]
    if any(known(part) or medical(part) or _ENDINGS.search(part) for part in (one, two)):
        return None
    return found.span("it") if surname(one) or surname(two) or first_name(one) or first_name(two) else None


def _small_title(found: re.Match[str]) -> Span | None:
    word = found["it"]
    long = not re.match(r"(?i:mr|dr)\b\.?", found[0]) or surname(word) or first_name(word)
    return (
        found.span("it")
        if long
        and not known(word)
        and not medical(word)
        and not re.search(r"(?:ing|ed|ly|te|re|ado|ada|ando|ato|ata)$", word)
        else None
    )


_PEOPLE = listed("""labourer laborer housewife farmer teacher driver student worker smoker diabetic hypertensive
gentleman teenager pensioner alcoholic lady male female primigravida multigravida primi multi
patient known elderly middle infant child adult engineer builder plumber retired athlete
footballer runner boxer carpenter chef nurse doctor lawyer veteran""")


def _complains(found: re.Match[str]) -> Span | None:
    words = found["it"].split()
    return (
        None
        if any(
            known(word) or word in _PEOPLE or word.endswith(("ist", "er", "or", "ic", "ive", "man", "al"))
            for word in words
        )
        else found.span("it")
    )


def _roman(found: re.Match[str]) -> Span | None:
    last = found["it"].split()[-1]
    return None if harmless(last) or ordinary(last) or eponym(found, found.end()) else found.span("it")


def _rule(name: str, pattern: str, place: Callable[[re.Match[str]], Span | None] = whole) -> Rule:
    return Rule("name", name, re.compile(pattern), place=place)


RULES: tuple[Rule, ...] = (
    _rule("first name and initial", _FIRST_INITIAL, _first_initial),
    _rule("surname in capitals and initial", _LOUD_INITIAL, _loud_initial),
    _rule("surname in capitals and first name", _LOUD_FIRST, _loud_first),
    _rule("initial, particle and surname", _INITIAL_PARTICLE, _roman),
    _rule("name by a spelling alphabet", _LETTERS),
    _rule("spelled name", _SPELLED, _spelled),
    _rule("name that is spelled next", _NAMING, _spelled),
    _rule("initials of who typed", _CODED, _initials),
    _rule("initials of who dictated and who typed", _ENDING_CODE, _code),
    _rule("name behind dots", _LEADERS, _leaders),
    _rule("electronic signature", _ES, _es),
    _rule("role's name in small letters", _SMALL_ROLE, _small_role),
    _rule("double name in small letters", _SMALL_DOUBLE, _small_double),
    _rule("name in small letters behind a title of other languages", _SMALL_TITLE, _small_title),
    _rule("who complains", _COMPLAINS, _complains),
)
