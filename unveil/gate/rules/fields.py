"""Fields of forms, headers and records, whatever they hold: "Institution: ...", "patientBirthDate=...", DICOM's tags.

A field is a key, a sign between (":", "=", "|", "->" or a quote of JSON) and a value. The key says what the value
    is, so
that the value needs no form of its own, only to be one: a name has a capital, a number has digits, a place a word that
is not medicine's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from unveil.gate.rule import APART, Rule, Span, alternatives, before, compiled, cues_of, signs_of
from unveil.gate.words import first_name, harmless, listed, ordinary, surname

_NUMBERS = """mrn patient_id patients_id other_patient_ids issuer_of_patient_id patient_identifier patient_no
patient_number patient_key patient_code patient_ref patient_uid subject_id subject_no subject_number subject_code
subject_identifier participant_id participant_no participant_code enrolment_no enrollment_id enrollment_no
randomisation_no randomization_number screening_no screening_number client_id client_no client_number case_id case_no
case_number case_ref case study_id study_no study_uid study_instance_uid series_instance_uid series_uid
sop_instance_uid sop_uid instance_uid frame_of_reference_uid media_storage_sop_instance_uid device_uid accession
accession_number accession_no acc_no acc_num accn placer_order_number filler_order_number order_id order_no
order_number requisition requisition_no requested_procedure_id scheduled_procedure_step_id performed_procedure_step_id
procedure_id visit_id visit_no encounter encounter_id encounter_no episode episode_id admission_id admission_no
registration_no registration_id reg_no reg_id id id_no id_number ident identifier ids uid uuid guid oid key token hash
ref ref_no reference reference_no our_ref your_ref file_no file_ref file_id record_id record_no record_number chart
chart_no folder folder_no barcode bar_code qr label_id specimen specimen_id specimen_no sample sample_id sample_no
slide_no block_no lab_id lab_no lab_ref pathology_no histology_no histo_no cytology_no biopsy_no donor_id donor_no
transplant_id unos_id bag_no blood_bag batch_no lot lot_no lot_number batch serial serial_no serial_number serial_num
ser_no serial# s/n sn asset asset_no asset_tag asset_id inventory_no inventory_number equipment_id equipment_no
machine_id machine_no scanner_id scanner_serial device device_id device_no device_serial device_serial_number
detector_id detector_sn tube_id tube_no gantry_id gantry_no coil_id coil_sn probe_sn transducer_sn implant_id
implant_sn pump_sn pump_id generator_sn lead_sn udi udi-di udi-pi imei meid iccid imsi unit_no unit_id plate_id
cassette_id cassette_no badge badge_no badge_id staff_id staff_no employee_id employee_no personnel_no user_id userid
uname operator_id reader_id account account_no account_id acct acct_no billing_no invoice invoice_no claim claim_no
claim_id policy policy_no policy_id member member_id member_no group_no subscriber_id insurance insurance_no
insurance_id payer_id authorization authorization_no auth_no preauth_no ssn ssn_last4 sin nhs nhs_no national_id
tax_id passport passport_no licence license licence_no license_no dl_no npi dea gmc vin plate plate_no vehicle
registration reg locker locker_no bed bed_no room room_no cubicle cubicle_no bay_no tray_no ticket ticket_no incident
incident_no job_id job_no booking booking_no booking_ref appointment_id referral_no referral_id consent_id consent_no
prescription_no rx_no rx_number rx# tracking_no parcel_no docket docket_no inmate_no prisoner_no service_no army_no
student_id student_no pupil_id school_id employee_number phn ohip hcn uhid ipid opid ip_no op_no crn cr_no urn ur_no
hrn nhi ihi dva chi hkid nric fin cpr cnp oib emso jmbg egn amka pps ppsn hetu isikukood kennung kennziffer
patienten-id patientennummer fallnummer fall-nr aktenzeichen az auftragsnummer seriennummer gerate-id geratenummer
inventarnummer chargennummer versichertennummer ausweisnummer numero_de_serie no_serie num_serie n_serie numero_serie
nr_seryjny serienummer numero_de_lot no_lot lote lotto charge dossier no_dossier num_dossier n_dossier expediente
n_expediente historia n_historia episodio matricula matricola patente prontuario registro atendimento guia
carteirinha cartella pratica scheda journalnr journalnummer potilasnumero henkilotunnus fodselsnummer personnummer
rodne_cislo pesel nr_pesel nr_ewidencyjny nr_karty ksiega_glowna nr_ksiegi protokol_no dosya_no hasta_no tc_no
kimlik_no no_rm no_rekam_medis nik ktp nomor ma_benh_nhan so_ho_so cccd"""
_HOSTS = """dev host hostname host_name server node pc computer workstation station station_name stationname ae ae_title
aet aetitle calling_ae called_ae source_ae retrieve_ae retrieve_ae_title scheduled_station_ae_title
performed_station_ae_title station_ae_title source_ae_title destination_ae destination_ae_title called_ae_title
calling_ae_title aec aem modality_ae console_name machine machine_name device_name
terminal client client_name source source_application sending_facility sending_application receiving_facility ip
ip_address ipaddr address_ip src src_ip dst dst_ip peer remote remote_addr gateway router dns ssid vlan mac
mac_address mac_addr hwaddr ethernet wifi domain url uri link endpoint share mount path file filename file_name
filepath file_path dir directory folder folder_name dataset_path image_path dicom_path output_path db database user
username user_name login account_name rechner rechnername gerat geratename stationsname arbeitsplatz datei pfad
ordner fichier chemin dossier_image serveur poste archivo ruta carpeta servidor equipo nome_host arquivo caminho
cartella_file percorso"""
_PLACES = """address addr home_address street street_address address_line address_line_1 address_line1 address1
address_line_2 town city village hamlet suburb county district borough parish municipality province region_of_residence
zip zip_code postcode post_code postal_code pincode pin_code area_code place_of_birth birthplace place_of_residence
residence hometown home_town nationality_and_town domicile institution institution_name institution_address
institutional_department facility facility_name facility_address hospital hospital_name clinic clinic_name
practice practice_name surgery gp_practice gp_surgery referring_hospital referring_institution referring_clinic
referring_site referring_facility referring_practice imaging_center imaging_centre center_name centre_name site_name
performing_site performing_facility performing_institution location_name sending_hospital receiving_hospital
transferring_facility transfer_from transferred_from nursing_home care_home school employer workplace place_of_work
church pharmacy trust health_board health_system campus building
anschrift adresse wohnort geburtsort ort plz krankenhaus klinik praxis einrichtung institut standort arbeitgeber
abteilung_und_haus einsender hopital etablissement clinique ville code_postal commune lieu_de_naissance employeur
ecole cabinet centro centro_medico hospital_de_origen clinica institucion ciudad localidad poblacion domicilio
direccion lugar_de_nacimiento lugar empresa colegio ospedale azienda struttura citta comune indirizzo residenza
luogo_di_nascita datore_di_lavoro instituicao cidade bairro endereco municipio naturalidade local_de_nascimento
unidade_de_saude ziekenhuis instelling woonplaats adres postcode_woonplaats geboorteplaats werkgever sjukhus sykehus
sygehus sairaala szpital placowka miejscowosc ulica adres_zamieszkania nemocnice bydliste adresa obec korhaz lakcim
spital_emitent spitalul adresa_pacientului hastane adres_bilgisi rumah_sakit alamat kota benh_vien dia_chi"""
_PERSONS = """patient_name patients_name patient's_name other_patient_names patient_mother's_birth_name
patient_birth_name name_of_patient pat_name pt_name full_name fullname first_name firstname last_name lastname surname
family_name family given_name given middle_name maiden_name preferred_name alias aka a.k.a nickname initials
mother's_name
father's_name mother_name father_name parent_name guardian_name spouse_name responsible_person
referring_physician_name referring_physicians_name performing_physician_name performing_physicians_name
reading_physician requesting_physician requesting_physician_name consulting_physician_name physician_of_record
physicians_of_record name_of_physicians_reading_study operators_name operator_name operator_s_name physician_name
doctor_name radiologist_name technologist_name reader_name reporter reported_by author author_name verified_by signed_by
approved_by entered_by created_by modified_by uploaded_by annotated_by assigned_to assignee owner requested_by
ordered_by
performed_by performed_for scanned_by checked_by emergency_contact next_of_kin nok contact_name contact_person
caregiver_name subject_name client_name customer holder cardholder card_holder account_holder policy_holder policyholder
subscriber subscriber_name insured insured_name beneficiary_name guarantor guarantor_name employee_name staff_name
patientenname nachname vorname name_vorname befunder untersucher zuweiser uberweiser einsendender_arzt hausarzt
ansprechpartner angehorige nom nom_patient prenom nom_prenom nom_et_prenom medecin operateur redacteur nombre
nombre_paciente nombre_completo apellidos apellidos_y_nombre medico solicitante responsable firmante informante nome
nome_paziente nome_e_cognome cognome cognome_e_nome refertante medico_richiedente nome_do_paciente nome_da_mae
nome_completo responsavel solicitante_medico naam achternaam voornaam behandelaar verwijzer namn navn nimi potilas
imie_i_nazwisko imie nazwisko pacjent lekarz jmeno prijmeni pacient lekar nev beteg orvos nume prenume medic adi soyadi
ad_soyad hasta hasta_adi doktor nama nama_pasien dokter ho_ten ho_va_ten bac_si"""
_DATES = """dob d.o.b birth_date birthdate date_of_birth birth born dod date_of_death death_date deceased_date
study_date series_date acquisition_date content_date exam_date scan_date image_date visit_date admission_date
discharge_date date_of_admission date_of_discharge date_of_exam date_of_study date_of_service dos service_date
date_of_surgery surgery_date op_date date_of_procedure date_of_injury injury_date onset_date collection_date
date_collected date_received received_date reported_date report_date date_reported signed_on dictated transcribed
verified_on date_time datetime timestamp time_stamp created created_on created_at modified updated updated_at
last_modified printed printed_on issued issue_date expiry_date order_date date_ordered date_of_visit last_visit
follow_up_date appointment appointment_date next_appointment consent_date enrolment_date enrollment_date
randomisation_date last_menstrual_period lmp edd geburtsdatum geb.-dat gebdat geb_datum untersuchungsdatum
aufnahmedatum befunddatum datum date_naissance date_de_naissance date_examen date_de_l'examen ddn fecha fecha_nac
fecha_nacimiento fecha_estudio fecha_de_estudio fecha_ingreso data_nascita data_di_nascita data_esame data_nascimento
data_de_nascimento data_do_exame dt_nasc nascimento dn nasc d.n geboortedatum gebdatum fodelsedatum fodselsdato
syntymaaika data_urodzenia data_badania datum_narozeni data_nasterii dogum_tarihi tarih tgl_lahir tanggal_lahir
ngay_sinh"""

_NOTHING = re.compile(
    r"(?:n/?a|none|nil|null|not|no|unknown|unk|missing|anonym\w*|removed|redacted|withheld|deleted|hidden|"
    r"empty|blank|"
    r"tbd|see|the|this|that|a|an|is|as|any|same|other|undisclosed|confidential|deidentified|de-identified|xx+|-+|"
    r"\.+|_+|unbekannt|keine?|inconnue?|aucune?|desconocid[oa]|ningun[oa]?|sconosciut[oa]|desconhecid[oa]|onbekend)"
    r"(?![\w])",
    re.I,
)
_SIGN = (
    r"(?:\s(?:of|for|the|du|de|des|del|della|do|da|der|vom|la|le|"
    r"el)\s[\w-]{2,16}){0,2}[.]{0,12}[\x22'\])]{0,2}\s?(?:\([^()\n]{1,12}\)\s?)?(?:[:=|：]{1,2}|->|=>|"
    r"\s-(?=\s))\s?[\x22'\[({<]{0,3}"
)
_REST = r"(?P<it>[^\s\x22';,|\])}][^\n;|\x22\]}]{0,60})"


def _field(keys: str) -> re.Pattern[str]:
    return compiled(rf"{APART}{alternatives(keys)}(?![^\W\d_]){_SIGN}{_REST}")


def _words(found: re.Match[str]) -> list[str]:
    """The value's words, up to the next key; none where it says that there is no value."""
    if _NOTHING.match(found["it"]):
        return []
    value = re.split(r"(?<!\w)[^\W\d][\w'/-]{0,30}(?:\s[^\W\d][\w'/-]{0,24})?\s?[:=]", found["it"], maxsplit=1)[0]
    return re.findall(r"[^\s,.()\x22']+", value)


def _number(found: re.Match[str]) -> Span | None:
    """A value of three digits, or of a letter and two, or capitals that are no word; no count and no size."""
    words = _words(found)
    if not words:
        return None
    first = re.match(r"\S+(?:\s\d[\w./-]*){0,3}", found["it"])[0].rstrip(".,)")  # type: ignore[index]
    digits, letters = (sum(test(c) for c in first) for test in (str.isdigit, str.isalpha))
    counted = re.match(
        r"(?:[<>~±]|[\d.,]+(?:\s?(?:[x×/%]|to\b|of\b|mm|cm|ml|mg|kg|s\b|ms\b|hz|h\b|min|days?|weeks?|months?|years?|"
        r"[a-z]+s\b(?!\s?[:=])))|\d{1,4}\s?-\s?\d{1,4}\b(?![-/])|\d+\.\d+(?!\.)|(?:19|20)\d\d$|[\[({])",
        found["it"],
        re.I,
    )
    if counted and not (letters and digits > 4):
        return None
    if digits > 2 and not re.fullmatch(r"(?:19|20)\d\d|\d+0{3}", first):
        return (found.start("it"), found.start("it") + len(first))
    sure = (digits > 1 and letters > 1) or (re.search(r"[-_/]\d", first) and digits > 1 and letters)
    return (found.start("it"), found.start("it") + len(first)) if sure else None


def _host(found: re.Match[str]) -> Span | None:
    """A value that is a name of a machine, a file or an account: with a digit, a stop, a slash or a hyphen within."""
    words = _words(found)
    if not words or harmless(words[0]):
        return None
    first = re.match(r"\S+", found["it"])[0].rstrip(".,)")  # type: ignore[index]
    named = re.search(r"[a-z]\d|\d[a-z]|[a-z][\w-]*\.[a-z]|[\\/]\w|[a-z]-[a-z]|[a-z]_[a-z]|@|:[0-9a-f]{2}", first, re.I)
    shouted = first.isupper() and len(first) > 4 and not harmless(first)
    plain = re.fullmatch(r"[\d.,]+(?:mm|cm|ml|x\d+|%)?|\w+/\w+|\d+[dx]|t\d\w*|v\d[\w.]*", first, re.I)
    apart = [part for part in re.split(r"[\W\d_]+", first) if part]
    if plain or not (named or shouted) or (all(map(harmless, apart)) and not re.search(r"\d\d|[\\/.]", first)):
        return None
    return (found.start("it"), found.start("it") + len(first))


def _place(found: re.Match[str]) -> Span | None:
    """A value with a word in capitals that is none of medicine's, or with a number of a house."""
    words = _words(found)
    own = [w for w in words if w[0].isupper() and len(w) > 2 and not ordinary(w) and w.lower() not in _KINDS]
    number = words and re.fullmatch(r"\d{4,6}|\d{1,4}[A-Za-z]?", words[0]) and len(words) > 1 and words[1][0].isupper()
    return found.span("it") if own or number else None


def _person(found: re.Match[str]) -> Span | None:
    """A value that begins with a capital and is no ordinary word, or is a common name, or two capitals."""
    words = _words(found)
    if not words or (ordinary(words[0]) and not (len(words) > 1 and first_name(words[0]))):
        return None
    first = words[0]
    known = any(first_name(word) or surname(word) for word in words[:2])
    titled = re.match(r"(?:dr|prof|mr|mrs|ms|sr|dra|hr|fr|mme|m)\.?$", first, re.I)
    sure = (first[0].isupper() and len(first) > 1 and not (harmless(first) and len(words) < 2)) or known or titled
    return found.span("it") if sure and not re.match(r"[A-Z]{0,3}\d", first) else None


def _date(found: re.Match[str]) -> Span | None:
    """A value with a day: two numbers, six digits or the word of a month; a year alone is none, nor a time."""
    if _NOTHING.match(found["it"]):
        return None
    numbers = re.findall(r"\d+", found["it"][:24])
    timed = re.match(r"\d{1,2}[:h]\d\d|\d+\s?(?:ms|s|min|h|days?|weeks?|months?|years?|mm|cm|%|of|x)\b", found["it"])
    day = re.match(
        r"[^\d]{0,12}\d{1,4}(?:st|nd|rd|th)?[\s./,'-]{1,3}(?:[^\W\d_]{3,12}|\d{1,2}\b)|\w{3,9}\.?[\s-]{1,2}\d{1,2}\b"
        r"|\d{6,14}(?!\d)|\d{1,2}[./-]\d",
        found["it"],
    )
    decimal = re.match(r"\d+[.,]\d+(?![.\d])", found["it"])
    return found.span("it") if numbers and day and not timed and not decimal else None


_KINDS = listed("""general hospital
clinic medical university children's childrens women's community regional district county
city state national federal local outside referring referral teaching academic tertiary secondary primary
public private military veterans emergency department ward icu ed er or radiology imaging health care center
centre unit rural urban outpatient inpatient usa uk germany france spain italy europe asia africa america
india china japan brazil canada mexico australia day home external internal single multi multiple main north
south east west no. level trauma""")

#: Of DICOM's tags those that say who, where, when or by which machine.
_TAGS = (
    r"0010[,|\s]{0,2}(?:0010|0020|0021|0022|0024|0030|0032|0050|1000|1001|1002|1005|1040|1050|1060|1080|"
    r"1081|1090|2150|"
    r"2152|2154|2160|2180|21f0|4000)|0008[,|\s]{0,2}(?:0012|0013|0014|0018|002[0-3a]|003[0-3]|005[0458]|"
    r"008[012]|009[0246]|"
    r"1010|1040|1048|1049|1050|1052|1060|1062|1070|1072|1080|1155|1195|3010|0017|0201)|0018[,|"
    r"\s]{0,2}(?:1000|1002|1004|"
    r"1005|1007|1008|1009|100a|1012|1014|1030|1200|1201|700a|9074|a003)|0020[,|\s]{0,2}(?:000[de]|0010|"
    r"0052|0200|4000)|"
    r"0002[,|\s]{0,2}(?:0003|0013|0016|0017|0018|0102)|0032[,|\s]{0,2}(?:0012|1020|1021|1032|1033|1060|4000)|"
    r"0038[,|\s]{0,2}(?:0010|0020|0030|0060|0300|0400|0500)|0040[,|\s]{0,2}(?:000[0-7b]|0009|001[01]|"
    r"024[1-5]|0250|0253|"
    r"1001|1010|1400|2016|2017|3001|a027|a030|a075|a078|a07[abc]|a123|a124)|4008[,|\s]{0,2}\d{4}|0088[,|\s]{0,2}0140|"
    r"3006[,|\s]{0,2}0024"
)
_TAG = (
    rf"(?<![\w.])\(?(?:{_TAGS})\)?(?!\d)[\s:,]{{0,3}}(?:(?-i:[A-Z]{{2}})(?![A-Za-z]))?[A-Za-z'\s]{{0,48}}?"
    r"(?:(?<=\s)(?-i:[A-Z]{2})\s?)?(?:[:=]\s?[\[\x22'({]{0,2}|[\[\x22'(={]{1,2})\s?(?P<it>[^\]\x22'#\n)}]{1,64})"
)
_AGED = (
    r"(?<![\w.])\(?0010[,|\s]{0,2}1010\)?(?!\d)[\s:,]{0,3}[A-Za-z'\s]{0,48}?[:=]?\s?[\[\x22'(={]{0,2}\s?"
    r"(?P<it>(?:09\d|1[0-2]\d|9\d)Y?)(?![\dMWD])"
)
_GROUPS = tuple(
    f"{group}{sign}"
    for group in ["0002", "0008", "0010", "0018", "0020", "0032", "0038", "0040", "0088", "3006", "4008"]
    for sign in ",|"
)


def _tagged(found: re.Match[str]) -> Span | None:
    """What a tag holds, unless it was emptied."""
    value = found["it"].strip()
    said = re.search(r"\w", value) and not _NOTHING.match(value) and not re.match(r"no value|0+$|\d\.\d", value, re.I)
    return found.span("it") if said else None


def _after_name(found: re.Match[str]) -> Span | None:
    return None if re.search(r"(?:lead|wire|file)\s$", before(found, 6)) else _number(found)


def _rule(kind: str, name: str, keys: str, place: Callable[[re.Match[str]], Span | None]) -> Rule:
    return Rule(kind, f"field of {name}", _field(keys), cues_of(keys), signs_of(keys), place=place)


RULES: tuple[Rule, ...] = (
    _rule("record number", "a number", _NUMBERS, _after_name),
    _rule("device", "a machine, a file or an account", _HOSTS, _host),
    _rule("place", "a place", _PLACES, _place),
    _rule("name", "a person", _PERSONS, _person),
    _rule("date", "a day", _DATES, _date),
    Rule("record number", "DICOM's element", compiled(_TAG), signs=_GROUPS, reach=1, place=_tagged),
    Rule("age over 89", "DICOM's age", compiled(_AGED), signs=("0010,", "0010|"), reach=1),
)
