"""Names in Latin letters, by their form: a title, a label, a signature, initials, an order, or a common name as a
cue.

No list holds all names. Whoever has free text gives ``finding.find`` a name finder as well. Authors ("Smith et al."),
and names that are a disease's, a sign's or a score's by the word behind them, pass.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from unveil.gate.rule import Rule, Span, alternatives, before, cues_of, whole
from unveil.gate.words import first_name, harmless, listed, ordinary, surname, words

_PARTICLE = (
    r"(?:(?:van|von|der|den|de|del|della|dela|di|da|do|dos|das|du|la|le|bin|bint|ibn|al|el|ten|ter|zu|y|e|af|"
    r"av)\s){0,3}"
)
_WORD = r"(?:[dDlL]')?[A-Z](?:[^\W\d_]|['-])*+(?![\d_])"
_FULL = (
    rf"(?:[A-Z]\.[\s-]?){{0,3}}{_PARTICLE}(?:[a-z]{{1,2}}[-'])?{_WORD}(?:[\s]{_PARTICLE}(?:al-|"
    rf"el-)?{_WORD}\.?){{0,3}}"
)
_APART = re.compile(r"[^\s,]+")

#: What an eponym is of: behind a name these make it one.
_OF = listed("""disease diseases syndrome syndromes sign signs fracture fractures score scores scoring scale
classification criteria criterion grade grading stage staging type system test tests testing maneuver manoeuvre view
views projection method technique procedure operation approach incision splint bandage dressing brace frame nail screw
plate pin wire catheter tube drain filter stent clip cyst cysts node nodes nodule nodules tumor tumour tumors tumours
lymphoma sarcoma carcinoma palsy paralysis chorea ataxia dementia anemia anaemia thyroiditis struma goiter gland
glands duct ducts ligament ligaments fascia space pouch fossa angle line lines body bodies cell cells fiber fibres
layer membrane reflex phenomenon law index ratio equation formula unit units number level point triangle area zone
plexus ganglion nerve canal foramen tubercle lesion lesions defect deformity contracture dystrophy atrophy
malformation anomaly tetralogy complex triad pentad gangrene ulcer hernia diverticulum effect scan esophagus
oesophagus loop valve ring sphincter crisis exophthalmos ophthalmopathy orbitopathy stain staining medium agar block
transform filter algorithm model distribution coefficient correlation regression correction plot kernel loss attention
network protocol trial study guideline guidelines consensus society hospital clinic needle forceps retractor speculum
prosthesis implant arthroplasty osteotomy repair shunt position impaction impingement encephalopathy arthropathy
neuropathy nephropathy coil coils sampling tree field noise interval prior statistic loops process processes spots
patches plaques crystals rods hips knee foot disc optimiser optimizer chain kappa statistics theorem inequality
bootstrap sampler smoothing adjustment hand nails cord blue red green solution fluid water bath tank balloon murmur
pulse respiration breathing rhythm fever nail-bed disorder poisoning toxicity focus foci aneurysm aneurysms vein
artery muscle sinus cartilage exercise stretch""")


_BEHIND = re.compile(
    r"(?:'s)?\s?(?P<author>et\sal|and\s(?:colleagues|co-?workers)|\(\d{4}|-(?![\s-]))|(?:'s?)?\s(?P<of>[a-z-]+)", re.I
)


def _eponym(found: re.Match[str], end: int) -> bool:
    """Whether what stands behind a name makes it an eponym or an author."""
    behind = _BEHIND.match(found.string, end)
    return behind is not None and (behind["author"] is not None or behind["of"].lower() in _OF)


def _who(found: re.Match[str], start: int, end: int) -> list[tuple[str, int, int]]:
    """The words of a place with their places, without initials and particles."""
    parts = ((part[0], part.start(), part.end()) for part in _APART.finditer(found.string, start, end))
    return [part for part in parts if part[0][0].isupper() and len(part[0].rstrip(".")) > 1]


def _named(found: re.Match[str]) -> Span | None:
    """A title's or a label's name, up to the first word that is ordinary."""
    start, end = found.span("who")
    parts = _who(found, start, end)
    if not parts or ordinary(parts[0][0]):
        return None
    for n, (word, at, _) in enumerate(parts):
        if n and ordinary(word) and not first_name(word) and not surname(word):
            end = parts[n - 1][2] if at > parts[n - 1][2] else end
            break
    eponym = _eponym(found, end) and (len(parts) > 1 or not found[0][0].isupper())
    return None if eponym else (start, end)


def _known(found: re.Match[str]) -> Span | None:
    """As ``_named``, where the first word is a common name."""
    parts = re.findall(r"[^\s.,]{2,}", found["who"])
    if not parts or ordinary(parts[0]) or not any(first_name(part) or surname(part) for part in parts):
        return None
    return found.span("who") if not _eponym(found, found.end()) else None


def _shouted(found: re.Match[str]) -> Span | None:
    """A name behind MR, DR, MS, which are also examinations and diseases: a common one, or capitals behind the stop."""
    word = re.findall(r"[^\s.,]{2,}", found["who"])[:1]
    if not word or ordinary(word[0]):
        return None
    if first_name(word[0]) or surname(word[0]):
        return found.span("who")
    return (
        found.span("who")
        if found["stop"] and word[0].isupper() and len(word[0]) > 3 and not harmless(word[0])
        else None
    )


def _after_label(found: re.Match[str]) -> Span | None:
    """What stands behind "patient" or a verb: no eponym, and not one ordinary word."""
    parts = _who(found, *found.span("who"))
    alone = len(parts) == 1 or (len(parts) > 1 and ordinary(parts[1][0]))
    if alone and ":" in found.string[found.start() : found.start("who")] and surname(parts[0][0]):
        return _named(found)
    word = parts[0][0] if parts else ""
    if alone and word.isupper() and len(word) < 5 and not (first_name(word) or surname(word)):
        return None
    if parts and harmless(parts[0][0]) and (alone or not (first_name(parts[0][0]) or surname(parts[1][0]))):
        return None
    return _named(found)


# ----------------------------------------------------------------------------------------------------------- titles

_TITLES = """Mr Mrs Ms Miss Mx Dr Drs Dra Prof Professor Doctor Mister Sir Madam Rev Reverend Capt Sgt Lt Hon Nurse
Sister Matron Herr Herrn Frau Hr Fr Fraulein Mme Mlle Mmes Monsieur Madame Mademoiselle Pr Docteur Professeur Sr Sra
Srta Senor Senora Senorita Dona Doctora Doctor Sig Signor Signora Signore Signorina Dott Dottor Dottore Dottoressa
Professoressa Doutor Doutora Senhor Senhora Dhr Mevr Mw Meneer Mevrouw Shri Smt Shrimati Kumari Hj Haji Datuk Puan
Encik Bapak Ibu Pani Oberarzt Oberarztin Chefarzt Chefarztin Assistenzarzt Primararzt"""
_SMALL_TITLES = " ".join(title.lower() for title in _TITLES.split() if title not in ("Hon", "Lt", "Pr"))
_TITLED = (
    rf"(?<!\w)(?<!\d\s)(?:{alternatives(_TITLES)}|{alternatives(_SMALL_TITLES)}|Sig\.(?:ra|na)|Dott\.ssa|"
    rf"Prof\.ssa|Hr\.|Fr\.)\.?(?:,?\s(?:med|Med|Dr|Prof|dent|Priv|Doz|habil|phil|"
    rf"h\.c)\.?){{0,3}}\s{{0,2}}(?P<who>(?:(?<=\.)|(?<=\s)){_FULL})"
)
_UPPER = (
    r"(?<![\w-])(?<!\d\s)(?:MRS|MISS|PROF|DOCTOR|HERR|FRAU|MME|MLLE|SRA|SRTA|SENORA|SIGNORA|DRA|MADAME|"
    r"MONSIEUR)\b\.?\s{0,2}(?P<who>[A-Z][\w'-]+(?:\s[A-Z][\w'.-]*){0,3})"
)
_UPPER_OTHER = (
    r"(?<![\w-])(?<!\d\s)(?:MR|MS|DR|SR|FR|HR|M|"
    r"PR)\b(?P<stop>\.?)\s{0,2}(?P<who>(?:(?:[A-Z]\.?\s){0,2})[A-Z][\w'-]+(?:\s[A-Z][\w'.-]*){0,3})"
)
_LOWER = (
    r"(?<![\w-])(?:mr|mrs|ms|miss|mister|dr|doctor|prof|professor|herr|frau|hr|fr|mme|mlle|monsieur|madame|sr|"
    r"sra|srta|senor|senora|sig|signora|dott|dona|dra|dhr|"
    r"mevr)\b\.?\s{0,2}(?P<who>(?:[a-z]\.?\s)?[a-z'-]{2,}(?:\s[a-z'-]{2,})?)"
)
_MRS = (
    r"(?<![\w-])(?:mrs|mr\.|dr\.|prof\.)\s{1,2}(?P<who>[a-z'-]{4,})(?=\s(?:is|was|has|had|will|for|on|at|by|"
    r"from|to|who|called|asked|said|reviewed|agreed|and|presented)\b|[.,;)]|'s|$)"
)


def _small_titled(found: re.Match[str]) -> Span | None:
    return None if ordinary(found["who"]) else found.span("who")


# ----------------------------------------------------------------------------------------------------------- labels

_SIGNED = """signed annotated_by labelled_by labeled_by segmented_by drawn_by marked_by graded_by scored_by measured_by
          contoured_by outlined_by rated_by agree_with agrees_with agreed_with concur_with uberwiesen_durch
          uberweisung_durch zugewiesen_von signed_by electronically_signed_by e-signed_by esigned_by
          digitally_signed_by dictated_by transcribed_by reported_by read_by interpreted_by verified_by approved_by
          reviewed_by finalized_by finalised_by authenticated_by attested_by authored_by prepared_by entered_by
          typed_by scanned_by performed_by ordered_by requested_by referred_by supervised_by co-signed_by cosigned_by
          countersigned_by checked_by written_by examined_by completed_by released_by validated_by seen_by operated_by
          assisted_by discussed_with d/w spoken_to spoke_with spoke_to communicated_to notified informed paged
          telephoned conveyed_to relayed_to attn attn. attention cc c/o dear regards sincerely on_behalf_of care_of
          under_the_care_of thank_you thanks referrer referred_to results_to copy_to reported_to phoned_to given_to
          told befundet_von befund_von unterzeichnet_von unterschrieben_von gez gez. diktiert_von erstellt_von
          freigegeben_von visum validiert_von signe_par signe dicte_par valide_par redige_par interprete_par lu_par
          firmado_por firmado informado_por dictado_por validado_por realizado_por revisado_por firmato_da firmato
          refertato_da dettato_da eseguito_da validato_da assinado_por assinado laudado_por ditado_por realizado_por
          liberado_por digitado_por ondertekend_door beoordeeld_door verslagen_door
          """
_ROLES = """author radiologist reporting_radiologist attending attending_physician technologist technician
radiographer sonographer consultant surgeon physician referring_physician referring_doctor ordering_physician
ordering_provider provider primary_care_physician pcp gp general_practitioner resident fellow registrar nurse
nurse_practitioner midwife physiotherapist therapist pathologist cardiologist oncologist neurologist anesthesiologist
anaesthetist operator observer reader reviewer approver transcriptionist dictator signature sign-off annotator rater
grader labeller labeler clinician doctor requester referrer contact emergency_contact next_of_kin nok guardian
informant witness interpreter coordinator arzt arztin befunder befundender_arzt uberweiser zuweiser einweiser hausarzt
oberarzt chefarzt mtra unterschrift medecin radiologue medecin_traitant prescripteur operateur medico medica radiologo
radiologa firmante medico_solicitante medico_refertante tecnico medico_curante medico_responsavel medico_solicitante
radioloog arts huisarts aanvrager"""
_NAMED = """patient_name patient's_name name_of_patient pt_name full_name first_name last_name surname family_name
given_name given_names forename forenames middle_name maiden_name née nee mother's_name father's_name
name_of_the_patient patient_names nachname vorname familienname name_des_patienten patientenname geburtsname
nom_du_patient nom_de_famille nom prenom nombre_del_paciente nombre_y_apellidos nombre apellido apellidos
nome_del_paziente nome_do_paciente nome cognome sobrenome nome_completo naam achternaam voornaam ad_soyad imie
nazwisko patientname"""
_PEOPLE = """patient pt pat client resident subject mother father daughter son wife husband brother sister partner
spouse carer caregiver aunt uncle niece nephew cousin grandmother grandfather friend neighbour neighbor parent parents
named called patientin patiente paciente paziente madre padre hijo hija esposa esposo figlia figlio mere pere fils
fille epoux epouse mutter vater tochter sohn ehefrau ehemann moglie marito mae pai filho filha patienten"""

_TITLE = r"(?:(?i:dr|dra|prof|mr|mrs|ms|hr|fr|the|by)\b\.?\s){0,2}"
_SIGNATURE = rf"(?<!\w)(?i:{alternatives(_SIGNED)})(?!\w)[\s:,.-]{{1,4}}{_TITLE}(?P<who>{_FULL})"
_INITIALS = (
    rf"(?<!\w)(?i:"
    rf""
    rf""
    rf""
    rf"{alternatives(' '.join(w for w in _SIGNED.split() if w.endswith(('_by', '_von', '_par', '_por', '_da', 'gez'))))}"
    rf")\s?:?\s?(?P<who>[A-Z]\.?\s?[A-Z]\.?(?:\s?[A-Z]\.?)?)(?![\w])"
)
_ROLE = rf"(?<!\w)(?i:{alternatives(_ROLES)})(?!\w)(?:\s?[:=,-]|\s(?:is|was|name))?\s{{0,3}}{_TITLE}(?P<who>{_FULL})"
_NAME = (
    rf"(?<!\w)(?i:{alternatives(_NAMED)})(?!\w)(?:\s?\([^()\n]{{1,12}}\))?\s?(?:[:=,-]|\s(?:is|was|of)\s|"
    rf"\s(?=[A-Z]))\s{{0,3}}(?P<who>[A-Za-z][\w'^-]+(?:[\s,]{{1,2}}[A-Za-z][\w'.^-]*+(?!\s?[:=])){{0,3}})"
)
_LABEL = (
    r"(?<![\w-])(?i:name|names|patient\s?\(name\))\s?[:=]\s{0,3}(?P<who>(?:[A-Za-z]\.\s?)?[A-Za-z][\w'^-]+(?:["
    r"\s,]{1,2}[A-Za-z][\w'.^-]*+(?!\s?[:=])){0,3})"
)
_PERSON = rf"(?<![\w-])(?i:{alternatives(_PEOPLE)})(?!\w)\s?(?:[:=,(]|is|was)?\s{{0,3}}{_TITLE}(?P<who>{_FULL})"
_SAYS = r"(?:I am|I'm|my name is|name is|this is|ich heisse|mein name ist|je m'appelle|me llamo|mi chiamo|meu nome e)"
_SAID = rf"(?<!\w)(?i:{_SAYS})\s(?P<who>[A-Za-z][\w'-]+(?:\s[A-Za-z][\w'-]+)?)"


_NOBODY = listed(
    "AI CT MR US ML DL CNN LLM GPT SAM OCR NLP TTE TEE PET DXA HU ADC MRI CTA MRA EUS ECG EKG EEG KL IV PA AP"
)


def _initials(found: re.Match[str]) -> Span | None:
    """Initials, unless they are a machine's or an examination's."""
    return None if found["who"] in _NOBODY else found.span("who")


def _label_value(found: re.Match[str]) -> Span | None:
    """What stands behind a word for names, if it is not one of "unknown", "of the finding" or a lower-case finding."""
    start, end = found.span("who")
    parts = list(re.finditer(r"[^\s,.]{2,}", found["who"]))
    if not parts or ordinary(parts[0][0]):
        return None
    sure = parts[0][0][0].isupper() or first_name(parts[0][0]) or surname(parts[0][0])
    for part in parts[1:]:
        if ordinary(part[0]) and not first_name(part[0]):
            end = start + part.start()
            break
    return (start, end) if sure else None


# ------------------------------------------------------------------------------------------------------------- forms

_SUFFIXES = (
    r"(?:MD|M\.D\.|PhD|Ph\.D\.|FRCR|FRCS|FRCP|FRCPC|FACR|FACS|FACC|FSIR|MBBS|MBChB|MRCP|MRCS|FFR|FRANZCR|DABR|"
    r"DNB|DMRD|DM|MSc|RDMS|ARRT|RT\(R\)|CRNP|ARNP|APRN|NP|NP-C|PA-C|RN|BSN|DO|DPM|DDS|DMD|Esq|Jr|Sr|CRT|PharmD|"
    r"FRACS|DMSc)"
)
_SUFFIXED = (
    rf"(?<![\w-])(?P<who>{_WORD}(?:\s(?:[A-Z]\.?\s){{0,2}}{_PARTICLE}{_WORD}){{0,2}})(?:,\s?|"
    rf"\s)(?:{_SUFFIXES})(?![\w-])"
)
_CARET = (
    r"(?<![\w^])(?:[A-Z][\w'-]+(?:\s[A-Z][\w'-]*){0,3}|"
    r"[a-z]{2,30})\^{1,2}[A-Za-z][\w' .-]{0,40}(?:\^[\w .]{0,20}){0,3}"
)
_REVERSED = rf"(?<![\w^-])(?P<last>{_PARTICLE}{_WORD}),\s{{0,2}}(?P<first>{_WORD})(?:\s[A-Z][\w.]*)?(?![\w^-])"
_TWO_INITIALS = rf"(?<![\w.])(?:[A-Z]\.\s?-?){{2,3}}(?P<who>{_PARTICLE}{_WORD})"
_INITIAL = rf"(?<![\w.])[A-Z]\.?\s{{0,2}}(?P<who>{_PARTICLE}{_WORD})"
_LAST_INITIAL = (
    rf"(?<![\w-])(?P<who>{_WORD}),?\s(?:[A-Z]\.\s?){{1,3}}(?!\w)|"
    rf"(?<![\w-])(?P<last>{_WORD})\s[A-Z]{{1,2}}(?=[\s,;.)]|$)"
)
_GROUPS = re.compile(
    r"(?:type|grade|vitamin|hepatitis|stage|class|stanford|panel|figure|fig|group|category|zone|level|part|"
    r"option|arm|image|series|label|influenza|child-pugh|ajcc|debakey|appendix|phase|score|dukes|box|table|step|"
    r"point|line|lobe|segment|birads|reader|section|choice|answer|variant|factor|protein|strain|plan|region|"
    r"area|side|site|lesion|mass|nodule|cohort|protocol|sequence|study|case|patient|of|and|or)\s?$"
)
_RUN = (
    r"(?<![\w^-])[A-Z][\w'-]+(?:\s(?:[A-Z]\.?\s){0,2}(?:(?:van|von|der|den|de|del|di|da|dos|du|la|le|bin|bint|"
    r"ibn|al|el|ten|ter)\s){0,3}(?:al-|el-|d'|l')?[A-Z][\w'-]+)++"
)
_SINGLE = r"(?<![\w^/-])(?<!\d\s)[A-Z][\w']{3,}+(?:-[A-Z]\w+)?+(?![\w^/]|-\w)"
_SMALL_PAIR = r"(?<![\w^/-])(?P<first>[a-z'-]{3,}+)(?=,?\s(?P<last>[a-z'-]{3,}+))"


def _suffixed(found: re.Match[str]) -> Span | None:
    parts = _who(found, *found.span("who"))
    return (
        found.span("who")
        if parts and not all(harmless(word) for word, _, _ in parts) and not ordinary(parts[-1][0])
        else None
    )


def _caret(found: re.Match[str]) -> Span | None:
    return None if re.fullmatch(r"(?:cm|mm|log|exp|ml|nm|um|km)\^.*", found[0]) else found.span()


def _last_first(found: re.Match[str]) -> Span | None:
    """ "Smith, John": one of both is a common name in its place, and none is an ordinary word."""
    last, first = found["last"], found["first"]
    if ordinary(last) or ordinary(first):
        return None
    sure = (surname(last) and (first_name(first) or not harmless(last))) or (first_name(first) and not harmless(first))
    return found.span() if sure and not _eponym(found, found.end()) else None


def _initials_last(found: re.Match[str]) -> Span | None:
    """ "J. R. Weiss": any name, unless it is a word that stands behind an abbreviation."""
    return None if ordinary(found["who"].split()[-1]) or _eponym(found, found.end()) else found.span()


def _initial_last(found: re.Match[str]) -> Span | None:
    """ "J. Smith", "J Smith": a common surname, or any name that somebody is called by; not "type A. Normal"."""
    word = found["who"].split()[-1]
    if ordinary(word) or len(word) < 3 or _eponym(found, found.end()) or _GROUPS.search(before(found, 20)):
        return None
    if surname(word) and (not harmless(word) or found[0][1] == "."):
        return found.span()
    told = re.search(r"(?:\bby|\bwith|\bto|\bfrom|\bper|\bdr|\bsigned|\bseen|\basked)[\s:.]*$", before(found, 12))
    said = re.match(
        r"\s(?:has|is|was|had|reported|est|presente|souffre|agrees|reviewed|read|noted|und|hat)\b",
        found.string[found.end() : found.end() + 12],
    )
    return found.span() if (told and surname(word)) or ((told or said) and found[0][1] == ".") else None


def _last_initial(found: re.Match[str]) -> Span | None:
    """ "Smith J.", "Smith JR": a common surname, with one initial one that nothing else is called by."""
    word = found["who"] or found["last"]
    two = found[0][-2:].isupper() and found[0][-2:] not in _NOBODY and found[0][-3] == " "
    sure = surname(word) and (two or not harmless(word))
    return found.span() if sure and not _eponym(found, found.end()) else None


def _run(found: re.Match[str]) -> Span | None:
    """Capitalised words one of which is a common name with a neighbour that is no ordinary word."""
    parts = _who(found, *found.span())
    pairs = [
        (one, two)
        for one, two in itertools.pairwise(parts)
        if not (ordinary(one[0]) or ordinary(two[0])) and _pair(one[0], two[0])
    ]
    if not pairs or (_eponym(found, pairs[-1][1][2]) and not _sure(pairs[-1][0][0], pairs[-1][1][0])):
        return None
    return pairs[0][0][1], pairs[-1][1][2]


def _pair(one: str, two: str) -> bool:
    """Whether two neighbours are a name, in either order."""
    if one.isupper() != two.isupper():
        return False
    if harmless(one) and harmless(two):
        return first_name(one) and surname(two) and len(two) > 2
    if _chinese(one, two) or _chinese(two, one):
        return True
    if first_name(one) or (surname(two) and not harmless(two)):
        return True
    if first_name(two) and not harmless(one) and not harmless(two):
        return True
    return surname(one) and (first_name(two) or (not harmless(one) and not harmless(two)))


_SYLLABLE = (
    r"(?:zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uan|uai|ai|ei|ao|ou|an|en|"
    r"in|un|ia|ie|iu|ua|ui|uo|ue|a|o|e|i|u)"
)
_PINYIN = re.compile(rf"{_SYLLABLE}-?{_SYLLABLE}(?:{_SYLLABLE})?", re.I)


def _chinese(family: str, given: str) -> bool:
    """Whether two words are a Chinese surname and what pinyin can spell: "Xu Xiaoling"."""
    short = len(family) < 7 and surname(family) and bool(re.fullmatch(_SYLLABLE, family, re.I))
    return short and len(given) > 3 and bool(_PINYIN.fullmatch(given))


def _sure(one: str, two: str) -> bool:
    """Whether neither is an eponym's: "John Patel", not "Robert Jones", whose bandage it may be."""
    return first_name(one) and surname(two) and not harmless(one) and not harmless(two)


def _single(found: re.Match[str]) -> Span | None:
    """A common name alone, in capitals if it is no abbreviation, that nothing else is called by."""
    word = found[0]
    if harmless(word) or not (first_name(word) or surname(word)) or (word.isupper() and len(word) < 5):
        return None
    second = re.compile(r"\s[A-Z][\w'-]+").match(found.string, found.end())  # "Robert Jones bandage"
    return None if _eponym(found, found.end()) or (second and _eponym(found, second.end())) else found.span()


def _small_pair(found: re.Match[str]) -> Span | None:
    one, two = found["first"], found["last"]
    if not ((first_name(one) and surname(two)) or (surname(one) and first_name(two))):
        return None
    return (
        None
        if harmless(one) or ordinary(two) or _eponym(found, found.end("last"))
        else (found.start(), found.end("last"))
    )


_PARTED = (
    r"(?<![\w-])(?P<first>[A-Z][\w'-]+)\s(?:van|van\sder|van\sden|van\sde|von|von\sder|ter|ten|bin|bint|ibn|dos|"
    r"das|al|el|de\sla|de\slas|de\slos|del|della|di)\s(?P<last>[A-Z][\w'-]+)"
)
_ENDING = (
    r"(?<![\w^/-])(?P<who>(?:[A-Z][a-z]{2,}(?:ov|ova|yev|yeva|eev|ovic|evic|ovich|evich|owski|ewski|owska|ewska|"
    r"inski|insky|inska|ovsky|evsky|skaya|enko|opoulos|escu|shvili|oglu|sdottir|sson|enkov)|(?:Mc|O'|"
    r"Fitz)[A-Z][a-z]{2,}|(?:van\sder|van\sden|van\sde|von\sder|de\sla)\s[A-Z][a-z]{2,}))(?![\w/]|-\w)"
)
_SMALL = (
    r"(?<![\w^/-])(?:pt|patient|reader|rater|annotator|for|by|dr|name|from|with|re|called|named|nurse|thanks|hi|"
    r"dear|hello|ask|told|of|to|is|and):?\s(?P<who>[a-z][a-z'-]{2,}+)(?!\w)"
)
_DIGIT_LETTERS = r"(?<!\w)[a-z]+\d[a-z\d]*(?:\s[a-z]+\d[a-z\d]*)?(?!\w)"
_ALONE = (
    r"(?<![\w.])(?!(?:I\.V|U\.S|C\.T|M\.R|N\.B|P\.A|A\.P|L\.V|R\.V|E\.R|I\.M|P\.O|S\.C|U\.K|E\.U|I\.D|E\.G|I\.E|"
    r"T\.B|G\.I|G\.U|B\.P|H\.R|V\.A)\.)[A-Z]\.\s?[A-Z]\.(?:\s?[A-Z]\.)?(?=,?\s(?:has|is|was|had|will|presented|"
    r"presents|denies|reports|needs|underwent|complains|fell|came|said|agrees|agreed|called|\d{1,3}\b))"
)
_DIGIT_NAMES = str.maketrans("013457", "oieast")


def _parted(found: re.Match[str]) -> Span | None:
    """ "Wilma van der Kok": no eponym such as "von Willebrand" and no ordinary word."""
    fits = not (
        ordinary(found["first"]) or harmless(found["last"]) or found["last"].isupper() != found["first"].isupper()
    )
    return found.span() if fits and not _eponym(found, found.end()) else None


def _ending(found: re.Match[str]) -> Span | None:
    last = found["who"].split()[-1]
    return None if harmless(last) or _eponym(found, found.end()) else found.span()


def _small(found: re.Match[str]) -> Span | None:
    """A common name in small letters behind a word that people stand behind."""
    word = found["who"]
    known = (first_name(word) or surname(word)) and not harmless(word) and len(word) > 3
    return found.span("who") if known and not _eponym(found, found.end()) else None


def _spelt_with_digits(found: re.Match[str]) -> Span | None:
    words = found[0].translate(_DIGIT_NAMES).split()
    return found.span() if any((first_name(w) or surname(w)) and not harmless(w) for w in words) else None


def _rule(
    name: str, pattern: str, place: Callable[[re.Match[str]], Span | None], cues: frozenset[str], reach: int = 0
) -> Rule:
    return Rule("name", name, re.compile(pattern), cues, reach=reach, place=place)


_TITLE_CUES = cues_of(_TITLES, _SMALL_TITLES, "sra srta mlle mme m pr")
_COMMON = frozenset(part for name in words("first_names") | words("surnames") for part in re.findall("[a-z]{2,}", name))
_LETTER = frozenset("abcdefghijklmnopqrstuvwxyz")
_DEGREES = cues_of(_SUFFIXES[3:-1].replace("|", " "))
_PARTICLES = cues_of("van von ter ten bin bint ibn dos das al el de del della di")

RULES: tuple[Rule, ...] = (
    _rule("name behind a title", _TITLED, _named, _TITLE_CUES),
    _rule("name behind a title in capitals", _UPPER, _named, _TITLE_CUES),
    _rule("name behind a title or an examination in capitals", _UPPER_OTHER, _shouted, _TITLE_CUES),
    _rule("name behind a title in small letters", _LOWER, _known, _TITLE_CUES),
    _rule("small name behind a title", _MRS, _small_titled, cues_of("mrs mr dr prof")),
    _rule("signature", _SIGNATURE, _after_label, cues_of(_SIGNED)),
    _rule("initials of who signed", _INITIALS, _initials, cues_of(_SIGNED)),
    _rule("name behind a role", _ROLE, _after_label, cues_of(_ROLES)),
    _rule("name behind its label", _NAME, _label_value, cues_of(_NAMED)),
    _rule("name behind 'name:'", _LABEL, _label_value, cues_of("name names patient")),
    _rule("name behind a word for a person", _PERSON, _after_label, cues_of(_PEOPLE)),
    _rule("own name", _SAID, _label_value, cues_of("i my name this ich mein je me mi meu")),
    _rule("name with a degree", _SUFFIXED, _suffixed, _DEGREES, reach=60),
    Rule("name", "DICOM name", re.compile(_CARET), signs=("^",), reach=None, place=_caret),
    _rule("surname and first name", _REVERSED, _last_first, _COMMON, reach=24),
    _rule("initials and surname", _TWO_INITIALS, _initials_last, _LETTER),
    _rule("initial and surname", _INITIAL, _initial_last, _LETTER),
    _rule("surname and initial", _LAST_INITIAL, _last_initial, _COMMON),
    _rule("common name beside another", _RUN, _run, _COMMON, reach=24),
    _rule("common name alone", _SINGLE, _single, _COMMON, reach=4),
    _rule("name with its particle", _PARTED, _parted, _PARTICLES, reach=24),
    Rule("name", "surname by its form", re.compile(_ENDING), place=_ending),
    _rule("initials of a person", _ALONE, whole, _LETTER),
    _rule("common name in small letters", _SMALL, _small, _COMMON, reach=11),
    _rule("name with digits for letters", _DIGIT_LETTERS, _spelt_with_digits, frozenset()),
    _rule("common names in small letters", _SMALL_PAIR, _small_pair, _COMMON),
)
