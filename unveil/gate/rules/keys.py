"""Names behind the keys of fields: JSON, XML, headers of tables, tags of a picture, lines of a log, names of users."""

from __future__ import annotations

import re

from unveil.gate.names import NOBODY
from unveil.gate.rule import Rule, Span, alternatives, cues_of
from unveil.gate.words import known, listed, may_be_first, may_be_last, ordinary, surname

#: Keys that hold nothing but a part of a person's name. Underscores are blanks in the text that is searched.
_PERSONAL = """pt_last pt_first pt_middle pt_name ptname pt_nm ptnm pat_name patname pat_nm pat_last pat_first
patient_last patient_first
patientlast patientfirst patient_lastname patient_firstname patient_surname patient_fullname patient_full_name lname
fname mname lastname
firstname middlename last_nm first_nm name_last name_first last_name first_name surname forename given_name
family_name givenname familyname
given family fullname full_name displayname display_name preferred_name prefname pref_name nickname maidenname
maiden_name birthname
mothersmaidenname mothername mother_name father_name fathername spouse_name guardian_name nok_name kin_name
contact_name emergency_contact_name
dcname alias_name othername other_names otherpatientnames patientbirthname patientmothersbirthname nachname vorname
geburtsname familienname
rufname patientenname nom_naissance nom_usage prenom prenoms nom_patient apellido apellido1 apellido2 apellidos
nombre_paciente nombres cognome
cognome_paziente nome_paziente sobrenome nome_paciente nome_social nome_mae achternaam voornaam roepnaam meisjesnaam
tussenvoegsel nazwisko
imie imiona efternamn fornamn etternavn fornavn efternavn soyad soyadi hasta_adi sukunimi etunimi vezeteknev
keresztnev prijmeni jmeno prezime"""
#: Keys of staff and of users; a department or a machine may stand behind some of them.
_STAFF = """firma podpis imza assinatura handtekening underskrift allekirjoitus unterschrift
operatorsname operators_name operatorname operator_name performingphysiciansname performingphysicianname
performing_physician
referringphysiciansname referringphysicianname referring_physician referring_physician's_name referring_doctor
requestingphysician
requesting_physician physiciansofrecord physicians_of_record physicianofrecord physiciansreadingstudy
physician_reading_study
nameofphysiciansreadingstudy nameofphysicianreadingstudy scheduledperformingphysiciansname
scheduledperformingphysicianname reviewername
reviewer_name verifyingobservername verifying_observer_name personname person_name contentcreatorsname
contentcreatorname responsibleperson
responsible_person attendingphysician attending_physician consultingphysicianname consulting_physician
admittingphysician admitting_physician
orderingprovider ordering_provider ordering_physician order_provider signedby signed_by authorname author_name
createdby created_by updatedby
updated_by modifiedby modified_by lastmodifiedby last_modified_by lockedby locked_by openedby opened_by closed_by
uploadedby uploaded_by
deletedby deleted_by exported_by editedby edited_by enteredby entered_by assignedto assigned_to assignee requestedby
requested_by
requester_name reportedby reported_by readby read_by acquired_by acquiredby performedby performed_by scanned_by
scannedby dictatedby dictated_by
transcribedby transcribed_by verifiedby verified_by approvedby approved_by reviewedby reviewed_by username user_name
userid user_id user login
loginname logged_in_as logged_on_as login_name uname account_owner owner technologist_name techname tech_name
radiologist_name radname
physician_name doctorname doctor_name provider_name providername surgeon_name nurse_name attending_name anwender
benutzer benutzername bearbeiter
erstellt_von geandert_von utilisateur usuario utente usuario_nome gebruiker gebruikersnaam uzytkownik anvandare
bruger bruker kullanici"""
_PARTS = alternatives(_PERSONAL)
_WORD = r"[^\W\d_][^\W_]*+(?>(?:['.-][^\W_]+)*)"
_VALUE = rf"{_WORD}(?:[\s,^]{{1,2}}{_WORD}){{0,3}}"
#: The same up to the next key.
_PERSONS = rf"{_WORD}(?:[\s,^]{{1,2}}(?!(?i:{_PARTS}|pat|pt|patient|sex|dob|age|view)(?![^\W_])){_WORD}){{0,3}}"
_GAP = r"[\x22\x27]?\s?(?:[:=|]|=>|->)\s?"
#: "pt_last":"dellacroix", family: Halvorsrud, lname=tuohy
_KEY = rf"(?<![^\W_])(?P<key>(?i:{_PARTS}))(?![^\W_]){_GAP}[\[({{\x22\x27\s]{{0,4}}(?P<it>{_PERSONS})"
#: "given": ["Odd", "Mikkel"]
_MANY = rf"(?<![^\W_])(?i:{_PARTS})[\x22\x27]?\s?[:=]\s?\[\s?(?P<it>[\x22\x27][^\[\]\n{{}}]{{1,80}})\]"
#: OperatorsName=blakemoor t; user=qfontaine
_KEY_STAFF = (
    rf"(?<![^\W_])(?P<key>(?i:{alternatives(_STAFF)}))(?![^\W_])(?:\s(?i:tag|field|attribute|value|name|is|reads"
    rf"|was)){{0,2}}{_GAP}"
    rf"[\[({{\x22\x27\s]{{0,4}}(?P<it>{_VALUE})"
)
#: <n g="Ifor" f="Pryce-Bevan"/>
_ATTRIBUTE = (
    r"(?<![^\W_])(?i:g|f|gn|fn|sn|ln|given|family|last|first|middle|nm|name|person|patient|pt|doctor|nurse|author"
    r"|user|by)="
    rf"[\x22\x27](?P<it>{_VALUE})[\x22\x27]"
)
#: lname;fname;mi => tuohy;siobhan;r
_ROW = (
    rf"(?<![^\W_])(?i:{_PARTS})(?:\s?[;,|]\s?[\w ]{{1,20}}){{1,12}}\s?(?:=>|->|:|\n|\s)\s?"
    rf"(?P<it>{_WORD}\s?[;,|]\s?{_WORD}(?:\s?[;,|]\s?{_WORD}){{0,3}})"
)
_CHANGED = """created modified updated changed locked opened closed edited deleted uploaded exported imported
saved sent moved merged purged archived overridden cancelled canceled amended annotated assigned
claimed completed acquired logged burned burnt printed login logon signed geandert erstellt gesperrt
modifie cree modificado creado modificato creato criado"""
#: created by rfontaine-ellis
_USER = (
    r"(?<!\w)(?i:created|modified|updated|changed|locked|opened|closed|edited|deleted|uploaded|exported|imported"
    r"|saved|sent|moved|merged|"
    r"purged|archived|overridden|cancelled|canceled|amended|annotated|assigned|claimed|completed|acquired|logged"
    r"|burned|burnt|printed|"
    r"login|logon|logged\sin|signed\sin|geandert|erstellt|gesperrt|modifie|cree|modificado|creado|modificato"
    r"|creato|criado)\s"
    r"(?i:by|as|to|user|von|par|por|da|door|przez|av)\s(?:user\s)?(?P<it>[a-z][a-z.-]{3,30}\d{0,3})(?![\w@])"
)
#: a letter and a surname run together behind "by": dtran
_RUN_TOGETHER = (
    r"(?<!\w)(?i:by|user|login|as|from|to|von|par|por|@)\s?(?P<it>[a-z]\.?[a-z]{3,20}|[a-z]{3,20}[a-z])(?![\w@.-])"
)
#: "User: describe the image": a chat's.
_SPEAKERS = listed("user usuario utente utilisateur benutzer anwender gebruiker bruger bruker login")
_NOBODY = listed("""unknown none anon anonymous anonymized anonymised redacted removed deleted test phantom blank
empty null nil na n a nan undefined
name names string text value family given first last official usual nickname maiden use true false yes no male
female other hidden withheld
system admin administrator root service user auto automatic automatically default guest pacs ris his server scanner
robot bot script worklist
dicom workstation operator technologist radiologist physician doctor nurse staff department ai model algorithm
software vendor hand default
mistake accident error email e-mail phone fax mail post courier protocol request both all two three""")


def _any(found: re.Match[str]) -> Span | None:
    """A value that is more than "unknown": any word may be somebody's name."""
    words = re.findall(r"[^\W\d_]{2,}", found["it"].lower())
    if not words or words[0] in _NOBODY:
        return None
    if found.groupdict().get("key") in ("Family", "Given", "family", "given", "first name", "First name"):
        coded = re.search(r"[\x22\x27=]", found.string[found.end("key") : found.start("it")])
        sure = coded or (found["it"][0].isupper() and not known(words[0]))
        return found.span("it") if sure else None
    return found.span("it")


def _staff(found: re.Match[str]) -> Span | None:
    """A user or one of the staff: no department, machine or word of a sentence."""
    words = re.findall(r"[^\W\d_]{2,}", found["it"])
    if not words or words[0].lower() in _NOBODY or words[0] in NOBODY:
        return None
    if found["key"].lower() in _SPEAKERS and ":" in found.string[found.end("key") : found.start("it")]:
        one = re.fullmatch(r"[\w.'-]+", found["it"]) and not re.match(r"\s?\w", found.string[found.end() :])
        return found.span("it") if one and not known(words[0]) else None
    sure = may_be_first(words[0]) or may_be_last(words[0]) or not known(words[0])
    return found.span("it") if sure else None


def _attribute(found: re.Match[str]) -> Span | None:
    words = re.findall(r"[^\W\d_]{2,}", found["it"])
    capital = bool(words) and words[0][0].isupper() and not words[0].isupper()
    return found.span("it") if capital and not known(words[0]) else None


def _user(found: re.Match[str]) -> Span | None:
    words = re.findall(r"[a-z]{2,}", found["it"])
    other = bool(words) and (known(words[0]) or words[0] in _NOBODY or words[0].endswith(("ing", "ed", "ly")))
    return found.span("it") if words and not other else None


def _together(found: re.Match[str]) -> Span | None:
    """ "dtran": its letters but the first, or but the last, are a common surname, and the whole is no word."""
    word = found["it"].replace(".", "")
    if known(word) or ordinary(word[:-1]) or len(word) < 5:
        return None
    names = [part for part in (word[1:], word[:-1]) if len(part) > 3 and surname(part) and part not in ("ward", "rust")]
    return found.span("it") if names and word[0] not in "aeiou" else None


RULES: tuple[Rule, ...] = (
    Rule("name", "name behind a field's key", re.compile(_KEY), cues_of(_PERSONAL), place=_any),
    Rule("name", "names in a field's list", re.compile(_MANY), cues_of(_PERSONAL), place=_any),
    Rule("name", "row below a table's head", re.compile(_ROW), cues_of(_PERSONAL), place=_any),
    Rule("name", "one of the staff behind a field's key", re.compile(_KEY_STAFF), cues_of(_STAFF), place=_staff),
    Rule(
        "name",
        "name as an attribute",
        re.compile(_ATTRIBUTE),
        cues_of("g f gn fn sn ln given family last first middle nm name person patient pt doctor nurse author user by"),
        place=_attribute,
    ),
    Rule(
        "name",
        "user",
        re.compile(_USER),
        cues_of(_CHANGED),
        place=_user,
    ),
    Rule(
        "name",
        "user's letters run together",
        re.compile(_RUN_TOGETHER),
        cues_of("by user login as von par por"),
        signs=("@",),
        place=_together,
    ),
)
