"""Marks that only one body has: tattoos told with what they show, scars with a shape or a story, templates of
biometrics.

That somebody has a tattoo or a scar names nobody, nor does a lesion that an endoscopist tattooed.
"""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, alternatives, before, compiled, cues_of
from unveil.gate.words import harmless

_TATTOOS = """tattoo tattoos tattooed tatoo tatto inked tatowierung tatowierungen tattoowierung tatouage tatouages
tatoue
tatouee tatuaje tatuajes tatuado tatuada tatuaggio tatuaggi tatuato tatuata tatuagem tatuagens tatoeage tatoeages tatuaz
tatuaze tatuering tatueringar tatovering dovme dovmesi tetovani тату татуировка татуировкой"""
_SHOWS = (
    r"(?:of|with|saying|says|said|reading|reads|read|showing|shows|depicting|that|which|spelling|spells|in\shonour|"
    r"for|von|"
    r"mit|eines|einer|eins|des|der|die|zeigt|lautet|d'|de|du|di|avec|representant|disant|con|dice|raffigurante|che|"
    r"com|dizendo|"
    r"van|met|z|przedstawiajacy|av|med|som|forestillende|s)"
)
_OF_MEDICINE = (
    r"(?:india|indian|ink|carbon|spot\b|pigments?|dye|methylene|colou?r|iron|metal\w*|the\s(?:lesion|polyp|tumou?r|"
    r"site|colon|"
    r"mass|bowel|rectum|nipple|areola|distal|margin)|radiotherapy|radiation|artefacts?|artifacts?|no\b|unknown|red|"
    r"previous|prior|old|lymph|polyp|lesion|colon|tumou?r|mri|mr\b|radioth\w*|tusche|tinte|strahlen\w*|repere|encre|"
    r"tinta|"
    r"mezzi|china|inchiostro|nanquim|inkt|tusz\w*|black|may|can|might|could|was|were|is\b|are\b|over|causes?|caused)"
)
_TATTOO = (
    rf"(?<!\w)(?:{alternatives(_TATTOOS)}(?!\w)[\s,:]{{1,2}}(?:(?:{_SHOWS}\s?)(?!{_OF_MEDICINE})[\w'\x22][^\n.;]{{2,40}}"
    r"|(?=[\x22'(][^\n\x22']{2,40}[\x22'])[\x22'(][^\n]{2,40}))"
)
_ADJECTIVES = """small big large old new faded left right bilateral arm forearm neck shoulder back chest leg thigh hand
wrist ankle calf skin extensive multiple dark black red blue green coloured colored decorative recent fresh professional
amateur permanent medical radiotherapy radiation endoscopic colonoscopic colonic submucosal amalgam corneal areola
areolar
nipple cosmetic eyebrow carbon ink the a an his her this that no with any and or of has some two three several many
traumatic full-sleeve sleeve tribal tattoo prior lower upper abdominal facial eyelid spot marking marker site pigment"""
_SHOWN = (
    rf"(?<![\w-])(?!{alternatives(_ADJECTIVES)}\s)(?P<it>[a-z][\w-]{{2,20}})\s(?:tattoos?|tatoo)(?=\s(?:with|on|"
    rf"across|over|in|"
    r"saying|reading|behind|under|above|below|around|from|reads|says|at)\b)[^\n.;]{2,40}"
)

_MARKS = """birthmark birthmarks mole naevus nevus port-wine scar scars tattoo mark stain patch narbe narben muttermal
feuermal leberfleck cicatrice cicatrices tache envie cicatriz cicatrices lunar mancha voglia cicatrice neo sinal marca
litteken moedervlek wijnvlek blizna znamie pieprzyk arr fodelsemarke fodselsmerke modermarke leke izi iz"""
_SHAPED = (
    r"(?:shaped\slike|in\sthe\sshape\sof|the\sshape\sof|resembling|resembles|(?:that|which)\slooks\slike|looks\slike|"
    r"in\sform|die\saussieht\swie|qui\sressemble|que\sparece|che\ssembla|die\slijkt\sop|wygladajac\w{1,3}\sjak|"
    r"som\sser\sut\ssom|"
    r"in\sgestalt|das\saussieht\swie|en\sforme\sd[e']|en\sforma\sde|con\sforma\sde|a\sforma\sdi|em\sforma\sde|"
    r"in\sde\svorm\s"
    r"van|w\sksztalcie|i\sform\sav|formad\ssom|seklinde)"
)
_PLAIN_SHAPES = (
    r"\s?(?:a\s|an\s|the\s|eines?\s|einer\s|une?\s|una?\s|um\s|uma\s|een\s|en\s)?(?:band|wedge|line|linear|star|"
    r"stellate|"
    r"triangle|round|oval|y\b|t\b|v\b|l\b|z\b|c\b|s\b|u\b|streif\w*|band\w*|keil\w*|bande|etoile|estrella|banda|cuna|"
    r"stella|"
    r"cuneo|fascia|cicatriz|fibrosis|scar|keloid|plaque)"
)
_SHAPE = (
    rf"(?<![^\W_]){alternatives(_MARKS)}(?!\w)[^\n.;]{{0,24}}?\s{_SHAPED}(?!{_PLAIN_SHAPES})[^\n.;]{{3,30}}"
    r"|(?<![\w-])(?!band|wedge|star|oval|ring|disc|disk|cup|fan|pear|spindle|dumbbell|dumb-bell|crescent|bean|boat|"
    r"bell|heart-sh"
    r"|cone|egg|round|irregular|ir|hour|cigar|club|funnel|saddle)[a-z]{3,12}-shaped\s(?:birthmark|mole|naevus|tattoo|"
    r"port-wine)"
)
_BEASTS = "shark bear crocodile croc alligator lion tiger leopard wolf hippo hyena orca piranha bison moose elephant"
_BITTEN = (
    rf"(?<!\w){alternatives(_BEASTS)}s?[\s-](?:bite|attack|mauling|maul)(?!\w)[^\n.;]{{0,30}}|(?<!\w)(?:bitten|"
    rf"mauled|gored|"
    rf"attacked|savaged)\sby\s(?:an?|the|his|her)\s{alternatives(_BEASTS)}(?!\w)"
)
_UNIQUE = (
    r"(?<!\w)(?:(?:nobody|no\sone|no-one|noone)\selse\s(?:in|on|at|here|of)\s[\w\s]{2,40}|the\sone\s(?:from|in|"
    r"on)\sthe\s(?:news|"
    r"papers?|telly|tv|television|documentary|headlines)|(?:known|famous|recognised|recognized)\s(?:in|all\sover|"
    r"throughout|"
    r"across)\s(?:the|his|her|our)\s(?:village|town|city|county|country|region|island|parish|valley|neighbou?rhood)|"
    r"(?:only|sole)\s(?:one|person|patient|man|woman|child|boy|girl)\s(?:in|of)\s(?:the|our|this)\s(?:village|town|"
    r"city|county|"
    r"region|island|valley|parish|province|district)|(?:aus|in)\s(?:der\szeitung|den\snachrichten|"
    r"dem\sfernsehen)\sbekannt|"
    r"(?:vu|vue|passe|passee)\s(?:a\sla\stele|au\sjournal)|(?:salio|sale)\sen\s(?:las\snoticias|la\stele|"
    r"los\speriodicos)|"
    r"(?:visto|finito|passato)\s(?:al|in)\s(?:telegiornale|tv))(?!\w)"
)
_ENGRAVED = (
    r"(?<!\w)(?:engraved|engraving|inscribed|inscription|graviert|gravur|gravee?|grabado|grabada|inciso|incisa|gravado|"
    r"gravada|gegraveerd|grawerem|graverad|gravert|kazili)(?!\w)[\s:,]{1,2}(?:with|as|reads|mit|avec|con|com|met|z|"
    r"med|reading)?"
    r"\s?(?P<it>[\w\x22'+&][^\n;]{2,30})"
)
_REMOVED = (
    r"(?<!\w)(?:removed|amputated|excised)\s(?:sixth|sixths|6th|extra|third|supernumerary)\s(?:finger|toe|thumb|"
    r"nipple|ear|"
    r"digit)|(?:sixth|6th|extra)\s(?:finger|toe|thumb)\s(?:removed|amputated)"
)
_MISSING = (
    r"(?<!\w)(?:missing|lost|without)\s(?:half\sof\s|part\sof\s|the\stip\sof\s|most\sof\s)?(?:the|his|her|a|an|"
    r"one)\s[\w\s]{3,24}?"
    r"\s(?:since|after|from|in)\sthe\s[\w\s-]{0,20}?(?:attack|explosion|bombing|blast|shooting|massacre|crash|siege|"
    r"war|flood|"
    r"earthquake|avalanche|ferry|fire)(?!\w)"
)

_BODY = """iris retina retinal thumb thumbprint finger fingerprint fingerprints palm palmprint hand voice voiceprint
faceprint handprint face
facial vein gait ear biometric biometrics minutiae fingerabdruck stimmprofil gesicht empreinte empreintes visage voix
huella huellas rostro voz impronta impronte volto voce impressao digital digitais vingerafdruk irisscan odcisk palca
tecowka fingeravtryck fingeraftryk parmak yuz"""
_BIOMETRIC = (
    rf"(?<![^\W_]){alternatives(_BODY)}(?![^\W\d_])(?:\s(?:digitales?|dactilar(?:es)?|digitale|izi|vein|biometric|"
    rf"biometrique|"
    r"geometry|palca))?[\s-](?:(?:template|templates|scan|sample|print|card|hash|vector|embedding|record|minutiae|"
    r"enrolment|"
    r"enrollment|id|no|nr|n|num|ref|code|file|key|profile|model|vorlage|gabarit|plantilla|modello|modelo|sjabloon|"
    r"wzor|mall|"
    r"skabelon|sablon|numero|nummer|numer|was|is|stored|"
    r"as)\b\.?[\s:#=(]{1,3}){1,3}(?P<it>(?=[\w/-]*\d[\w/-]*\d)(?=[\w/-]*(?:[A-Z]|\d{3}))"
    r"[A-Za-z0-9][\w/-]{2,40})"
)


def _engraved(found: re.Match[str]) -> Span | None:
    """In quotes, with a digit or a plus, or a word that nobody knows: no "lead marker L"."""
    words = re.findall(r"[^\W\d_]{2,}", found["it"])
    said = re.search(r"[\x22'+&]|\d\d", found["it"]) or any(w[0].isupper() and not harmless(w) for w in words)
    return found.span("it") if said else None


def _mark(found: re.Match[str]) -> Span | None:
    """Not on a model's or a probe's skin."""
    return (
        None
        if re.search(r"(?:phantom|mannequin|no|without|denies)\s(?:\w{1,12}\s)?$", before(found, 24))
        else found.span()
    )


_PRINTED = (
    r"(?<!\w)(?:finger|thumb|palm|face|voice|"
    r"hand)-?\s?prints?\s?(?:[:#]\s?)?(?P<it>(?-i:[A-Z]{1,4})[\s-]?\d{3,8}(?:[-/]\w{1,6})?)"
)


RULES: tuple[Rule, ...] = (
    Rule("biometric", "tattoo and what it shows", compiled(_TATTOO), cues_of(_TATTOOS), place=_mark),
    Rule("biometric", "what a tattoo shows", compiled(_SHOWN), cues_of("tattoo tattoos tatoo"), reach=22, place=_mark),
    Rule("biometric", "mark and its shape", compiled(_SHAPE), cues_of(_MARKS, "shaped"), reach=14, place=_mark),
    Rule("biometric", "bite of a beast", compiled(_BITTEN), cues_of(_BEASTS, "bitten mauled gored attacked savaged")),
    Rule(
        "biometric",
        "what only one has",
        compiled(_UNIQUE),
        cues_of(
            "nobody no noone the known famous recognised recognized only sole aus in vu vue passe passee salio sale "
            "visto finito passato"
        ),
    ),
    Rule("biometric", "removed part", compiled(_REMOVED), cues_of("removed amputated excised sixth extra"), (), True),
    Rule("biometric", "part lost in an event", compiled(_MISSING), cues_of("missing lost without")),
    Rule(
        "biometric",
        "engraved words",
        compiled(_ENGRAVED),
        cues_of("""engraved engraving inscribed inscription graviert gravur grave gravee grabado grabada inciso incisa
gravado
        gravada gegraveerd grawerem graverad gravert kazili"""),
        place=_engraved,
    ),
    Rule(
        "biometric",
        "number of a print",
        compiled(_PRINTED),
        cues_of("""finger fingerprint fingerprints thumb thumbprint thumbprints palm palmprint palmprints face faceprint
        voice voiceprint voiceprints hand handprint handprints"""),
    ),
    Rule("biometric", "biometric template", compiled(_BIOMETRIC), cues_of(_BODY)),
)
