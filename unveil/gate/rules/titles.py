"""Names in Latin letters behind a title, a label, a role or a signature.

No list holds all names. Whoever has free text gives ``finding.find`` a name finder as well. Authors ("Smith et al."),
and names that are a disease's, a sign's or a score's by the word behind them, pass.
"""

from __future__ import annotations

import re

from unveil.gate.names import FULL, NOBODY, eponym, medical, name_rule, who
from unveil.gate.rule import Rule, Span, alternatives, cues_of
from unveil.gate.words import first_name, harmless, ordinary, surname


def _named(found: re.Match[str]) -> Span | None:
    """A title's or a label's name, up to the first word that is ordinary."""
    start, end = found.span("who")
    parts = who(found, start, end)
    if not parts or ordinary(parts[0][0]):
        return None
    for n, (word, at, _) in enumerate(parts):
        if n and ordinary(word) and not first_name(word) and not surname(word):
            end = parts[n - 1][2] if at > parts[n - 1][2] else end
            break
    medical = eponym(found, end) and (len(parts) > 1 or not found[0][0].isupper())
    return None if medical else (start, end)


def _known(found: re.Match[str]) -> Span | None:
    """As ``_named``, where the first word is a common name."""
    parts = re.findall(r"[^\s.,]{2,}", found["who"])
    if not parts or ordinary(parts[0]) or not any(first_name(part) or surname(part) for part in parts):
        return None
    return found.span("who") if not eponym(found, found.end()) else None


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
    parts = who(found, *found.span("who"))
    alone = len(parts) == 1 or (len(parts) > 1 and ordinary(parts[1][0]))
    if alone and ":" in found.string[found.start() : found.start("who")] and surname(parts[0][0]):
        return _named(found)
    word = parts[0][0] if parts else ""
    if alone and medical(word) and not first_name(word) and not surname(word):
        return None
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
    rf"(?<!\w)(?<!\d\s)(?:{alternatives(_TITLES)}|{alternatives(_SMALL_TITLES)}|Sig\.(?:ra|na)|Dr\.a|"
    rf"Prof\.a|Dott\.ssa|"
    rf"Prof\.ssa|Hr\.|Fr\.)\.?(?:,?\s(?:med|Med|univ|Univ|Dr|Prof|dent|Priv|Doz|habil|phil|"
    rf"h\.c)\.?){{0,3}}\s{{0,2}}(?P<who>(?:(?<=\.)|(?<=\s)){FULL})"
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
          telephoned conveyed_to relayed_to attn attn. attention cc c/o dear regards sincerely grussen grusse gruss
saludos saluti cordialement atenciosamente p.p. pp on_behalf_of care_of
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
spouse carer caregiver aunt uncle niece nephew cousin grandmother grandfather friend twin colleague flatmate roommate
fiance fiancee boyfriend girlfriend stepson stepdaughter stepmother stepfather
grandson granddaughter godmother neighbour neighbor parent parents
named called patientin patiente paciente paziente madre padre hijo hija esposa esposo figlia figlio mere pere fils
fille epoux epouse mutter vater tochter sohn ehefrau ehemann moglie marito mae pai filho filha patienten"""

_TITLE = r"(?:(?i:dr|dra|prof|mr|mrs|ms|hr|fr|the|by)\b\.?\s){0,2}"
_SIGNATURE = rf"(?<!\w)(?i:{alternatives(_SIGNED)})(?!\w)[\s:,.-]{{1,4}}{_TITLE}(?P<who>{FULL})"
_BY = " ".join(words for words in _SIGNED.split() if words.endswith(("_by", "_von", "_par", "_por", "_da", "gez")))
_INITIALS = (
    rf"(?<!\w)(?i:"
    rf""
    rf""
    rf""
    rf"{alternatives(_BY)}"
    rf")\s?:?\s?(?P<who>[A-Z]\.?\s?[A-Z]\.?(?:\s?[A-Z]\.?)?)(?![\w])"
)
_ROLE = rf"(?<!\w)(?i:{alternatives(_ROLES)})(?!\w)(?:\s?[:=,-]|\s(?:is|was|name))?\s{{0,3}}{_TITLE}(?P<who>{FULL})"
_NAME = (
    rf"(?<!\w)(?i:{alternatives(_NAMED)})(?!\w)(?:\s?\([^()\n]{{1,12}}\))?\s?(?:[:=,-]|\s(?:is|was|of)\s|"
    rf"\s(?=[A-Z]))\s{{0,3}}(?P<who>[A-Za-z][\w'^-]+(?:[\s,]{{1,2}}[A-Za-z][\w'.^-]*+(?!\s?[:=])){{0,3}})"
)
_LABEL = (
    r"(?<![\w-])(?i:name|names|patient\s?\(name\))\s?[:=]\s{0,3}(?P<who>(?:[A-Za-z]\.\s?)?[A-Za-z][\w'^-]+(?:["
    r"\s,]{1,2}[A-Za-z][\w'.^-]*+(?!\s?[:=])){0,3})"
)
_PERSON = rf"(?<![\w-])(?i:{alternatives(_PEOPLE)})(?!\w)\s?(?:[:=,(]|is|was)?\s{{0,3}}{_TITLE}(?P<who>{FULL})"
_SAYS = r"(?:I am|I'm|my name is|name is|this is|ich heisse|mein name ist|je m'appelle|me llamo|mi chiamo|meu nome e)"
_SAID = rf"(?<!\w)(?i:{_SAYS})\s(?P<who>[A-Za-z][\w'-]+(?:\s[A-Za-z][\w'-]+)?)"


def _initials(found: re.Match[str]) -> Span | None:
    """Initials, unless they are a machine's or an examination's."""
    return None if found["who"] in NOBODY else found.span("who")


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


_TITLE_CUES = cues_of(_TITLES, _SMALL_TITLES, "sra srta mlle mme m pr")

RULES: tuple[Rule, ...] = (
    name_rule("name behind a title", _TITLED, _named, _TITLE_CUES),
    name_rule("name behind a title in capitals", _UPPER, _named, _TITLE_CUES),
    name_rule("name behind a title or an examination in capitals", _UPPER_OTHER, _shouted, _TITLE_CUES),
    name_rule("name behind a title in small letters", _LOWER, _known, _TITLE_CUES),
    name_rule("small name behind a title", _MRS, _small_titled, cues_of("mrs mr dr prof")),
    name_rule("signature", _SIGNATURE, _after_label, cues_of(_SIGNED)),
    name_rule("initials of who signed", _INITIALS, _initials, cues_of(_SIGNED)),
    name_rule("name behind a role", _ROLE, _after_label, cues_of(_ROLES)),
    name_rule("name behind its label", _NAME, _label_value, cues_of(_NAMED)),
    name_rule("name behind 'name:'", _LABEL, _label_value, cues_of("name names patient")),
    name_rule("name behind a word for a person", _PERSON, _after_label, cues_of(_PEOPLE)),
    name_rule("own name", _SAID, _label_value, cues_of("i my name this ich mein je me mi meu")),
)
