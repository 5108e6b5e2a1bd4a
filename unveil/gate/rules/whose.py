"""Names of people by what is theirs: a bone, a bed, a relative, an examination, a place in a list of patients."""

from __future__ import annotations

import re

from unveil.gate.names import PARTICLE, WORD, eponym, medical, who
from unveil.gate.rule import Rule, Span, after, cues_of
from unveil.gate.words import first_name, harmless, known, listed, ordinary, surname

#: Tolliver's left clavicle; Svea's catheter; Abernethy's wife
_OWNED = (
    r"(?<![\w-])(?P<it>(?:[A-Z]')?[A-Z][a-z]{2,}(?:-[A-Z][a-z]+)?)'s?\s(?P<of>(?:(?:left|right|l|r|lt|rt|both"
    r"|new|old|last|latest|previous|prior|first|second|third|distal|proximal|upper|lower|own|"
    r"big|little|broken|bad|good|other|recent|chest|knee|hip|brain|abdominal|repeat|outside|ct|mri|mr|xray|x-ray"
    r")\s){0,2})(?P<thing>[A-Za-z-]+)"
)
_THINGS = listed("""clavicle femur tibia fibula humerus radius ulna scapula pelvis hip hips knee knees ankle ankles
shoulder shoulders elbow wrist wrists hand hands finger fingers thumb foot feet toe toes heel
spine neck back chest rib ribs sternum skull head face jaw nose eye eyes ear ears tooth teeth
tongue throat heart lung lungs liver spleen kidney kidneys stomach bowel bladder uterus ovary
ovaries prostate testis testicle breast breasts brain scan scans film films x-ray xray x-rays
xrays ct mri mr cta ultrasound us mammo mammogram mammograms pet dexa report reports images
image pictures discs cd disc results result bloods blood notes chart charts file folder record
records history request referral appointment slot case wife husband mother father mum mom dad
mam son daughter sister brother aunt uncle niece nephew cousin grandmother grandfather nan gran
granddad partner carer family parents children baby twin friend neighbour neighbor gp doctor
nurse surgeon consultant solicitor school employer bed room bay locker bag wheelchair walker
crutches meds medication insulin pump binder cast collar splint brace catheter line drain tube
stent pacemaker implant implants prosthesis denture dentures hearing glasses ring wedding
necklace piercing tattoo scar wound leg legs arm arms nodule lesion mass fracture tumour tumor
cancer pneumonia effusion abscess stone stones cough pain fall operation surgery biopsy
procedure chemo treatment discharge birthday phone number address email consent allergy
allergies sats temperature weight height bp obs pregnancy labour labor scalp groin belly
abdomen tummy sinus sinuses appendix gallbladder aorta hernia plate plates screw screws nail
stitches dressing feed ng peg picc tracheostomy stoma questions question""")
#: two Kowalczyks
_PLURAL = (
    r"(?<![\w-])(?i:two|both|three|four|the|these|other|several|between|of)\s(?:(?i:two|three|both|other|young|old"
    r"|elderly|little|older|younger|different|mr|mrs|same)\s)?(?P<it>[A-Z][a-z]{3,}?)(?:e?s)(?=[\s,.;:!?)]|$"
    r")(?!\s(?i:node|sign|line|cell|body|bodies))"
)
#: CT for Xhevdet Hoxhalli; laudo do Benedito; report for Sofia
_EXAMINED = (
    r"(?<![\w-])(?i:ct|cta|mri|mr|mrt|rm|rmn|tc|tac|irm|pet|rx|cxr|x-ray|xray|xr|eco|usg|us|echo|ultrasound|scan"
    r"|scans|film|films|report|reports|referto|laudo|befund|informe|compte\srendu|rapport|verslag|wynik|"
    r"svar|images|bilder|cliches|lastre|placas|prosthesis|cast|exam|exame|esame|examen|onderzoek|badanie"
    r"|radiografia|ecografia|risonanza|resonancia|ressonancia|mammo|mammography|mamo|"
    rf"doppler|biopsy|biopsia|aufnahme|aufnahmen|bones|lungs|letter|form|request|slot|appointment|consent|bed"
    rf")\s(?:of|for|fur|von|vom|pour|para|per|di|del|della|da|do|voor|van|dla|till|til|av|belonging\sto"
    rf")\s(?P<it>{WORD}(?:\s{PARTICLE}{WORD}){{0,2}})"
)
#: Pat. Wüstemann, Liesl stellt sich vor; Paciente CIFUENTES BARRAGAN, ANGEL
_PATIENT = (
    rf"(?<![\w-])(?i:pat\.?|pt\.?|patient(?:in)?|paciente|paziente|pacjent(?:ka)?|hasta|name|nombre|nome|nom|re"
    rf"|ref|wg|betr\.?|betreff|objet|asunto|oggetto|assunto|betreft|dotyczy)\s?:?\s"
    rf"(?P<it>(?P<one>{WORD}(?:\s{PARTICLE}{WORD}){{0,2}}),\s(?P<two>{WORD}(?:\s{WORD})?))"
)


def _owned(found: re.Match[str]) -> Span | None:
    """Whose: of a name that no list calls an eponym, and of a thing that a person has."""
    word, thing = found["it"], found["thing"].lower()
    if known(word) and not (first_name(word) and not harmless(word)):
        return None
    if word.isupper() and len(word) < 5:
        return None
    things = {thing, *found["of"].lower().split()}
    sure = not _THINGS.isdisjoint(things) or (first_name(word) and not harmless(word))
    return found.span("it") if sure and not (medical(word) and not first_name(word)) else None


def _plural(found: re.Match[str]) -> Span | None:
    word = found["it"]
    word = f"{word}e" if surname(f"{word}e") else word
    return (
        found.span("it")
        if surname(word) and not harmless(word) and not ordinary(word + "s") and not first_name(word)
        else None
    )


def _examined(found: re.Match[str]) -> Span | None:
    """Whose examination: a common name, or two words that no list has."""
    words = [word for word, _, _ in who(found, *found.span("it"))]
    if not words or eponym(found, found.end("it")) or words[0].isupper():
        return None
    if first_name(words[0]) and not harmless(words[0]):
        return found.span("it")
    two = len(words) > 1 and not any(known(word) or medical(word) or word.isupper() for word in words)
    one = (
        found[0].split()[0].lower() in _ENGLISH
        and not known(words[0])
        and not medical(words[0])
        and " for " in found[0]
    )
    return found.span("it") if two or (one and len(words) == 1 and surname(words[0])) else None


_ENGLISH = listed(
    """report reports film films scan scans letter form request slot appointment consent bed bones lungs images"""
)


def _patient(found: re.Match[str]) -> Span | None:
    """Surname and first name behind "patient": unknown words, or a first name behind a comma."""
    one, two = found["one"].split(), found["two"].split()
    first = two[0]
    if any(ordinary(word) for word in (one[-1], first)) or medical(one[-1]) or medical(first):
        return None
    person = re.match(
        r"\s?(?:\(|\*|geb|stellt|klagt|hat|ist|wird|kommt|berichtet|leidet|gibt|war|wurde|acude|refiere|presenta"
        r"|riferisce|zgl|\d)",
        after(found, 10),
    )
    sure = (
        first_name(first)
        or (surname(one[-1]) and not known(first))
        or (person and not known(one[-1]) and not known(first))
    )
    return found.span("it") if sure else None


RULES: tuple[Rule, ...] = (
    Rule("name", "whose it is", re.compile(_OWNED), signs=("'",), reach=None, place=_owned),
    Rule(
        "name",
        "people of one name",
        re.compile(_PLURAL),
        cues_of("two both three four the these other several between of"),
        place=_plural,
    ),
    Rule("name", "whose examination", re.compile(_EXAMINED), place=_examined),
    Rule("name", "surname and first name of a patient", re.compile(_PATIENT), place=_patient),
)
