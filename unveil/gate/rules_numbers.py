"""Numbers of persons: records, visits, insurances, accounts, licences, cars, devices, national numbers; biometric
marks.

A number is found by the word before it, by the form that a country gives it, or, bare, where it is as long as only
such numbers are. Counts with their unit, trials, genes and codes of terminologies are none.
"""

from __future__ import annotations

import re

from unveil.gate.rule import APART, Rule, Span, after, alternatives, before, compiled, cues_of, signs_of
from unveil.gate.words import listed

#: "no.", "number", "ID", "#" and the like, as many languages have it.
_NO = (
    r"(?:no|nos|nr|n\.?(?=\s?\d)|n[o°º]|num|number|nummer|numero|numer|id|ids|identifier|identification|"
    r"\#|code|ref|reference|"
    r"号|號|番号|번호|номер|№|رقم|संख्या)"
)
_LINK = r"(?:\s?(?:is|was|are|lautet|est|es|e)\s)?[\s:=\#.()/|\x22\x27-]{0,4}"
_VALUE = r"(?:[A-Za-z]{0,10}[./-]?|(?-i:[A-Z]{1,6})\s)\d[\w./-]{0,40}(?:[\s-]\d[\w./-]{0,20}){0,6}"

#: Words that are said of nothing but a person's number: any value with a digit follows.
_STRONG: dict[str, str] = {
    "record number": """mrn mrns m.r.n m.r.n. medical_record hospital_number hospital_no hosp_no hospital_id
unit_number unit_no patient_id patient_identifier patientid patient_number patient_no patient_ref pat_id pat_no
pat.-id pat-id pid pt_id chart_no chart_number case_no case_number case_id study_id study_no study_number visit_id
visit_no visit_number encounter_id encounter_no encounter_number episode_id episode_no episode_number admission_no
admission_number admission_id accession acc_no acc accn accession_no accession_number acc# order_id order_no
order_number exam_id exam_no exam_number examination_no specimen_no specimen_id sample_id lab_no lab_number
requisition_no requisition_number record_no record_number record_id file_no file_number folder_no subject_id
subject_no participant_id csn fin har empi mpi uhid cr_no ip_no op_no opd_no ipd_no reg_no registration_no
registration_number hn r/o ur urn fallnummer fall-nr fallnr fall-id aufnahmenummer aufnahme-nr patientennummer
patienten-nr patientennr patienten-id patnr pat-nr auftragsnummer auftrags-nr untersuchungsnummer befundnummer
krankenblattnummer numero_de_dossier no_de_dossier n_dossier dossier_no dossier_numero ndossier nip ipp iep
numero_patient historia_clinica n_historia numero_de_historia nhc no_historia expediente num_expediente episodio
cartella_clinica n_cartella codice_paziente id_paziente numero_cartella prontuario numero_do_prontuario n_prontuario
processo_clinico numero_de_processo atendimento registro patientnummer patientnr dossiernummer journalnummer 病历号
住院号 门诊号 检查号 影像号 登记号 患者id 患者番号 受付番号 検査番号 カルテ番号 등록번호 환자번호 차트번호 검사번호
история_болезни и/б медкарта карта_№ номер_карты رقم_الملف رقم_المريض السجل_الطبي मरीज_संख्या पंजीकरण""",
    "social security number": """ssn s.s.n social_security_number social_security_no social_security social_sec
soc_sec""",
    "national number": """nhs nhs_number nhs_no chi_number chi_no chi h&c_number aadhaar aadhar aadhaar_no uid_no
pan_no pan pan_card national_id national_identity national_identification nric nino national_insurance
national_insurance_number ni_number sin tax_id tin tfn steuer-id steuernummer steueridentifikationsnummer
personalausweis personalausweisnummer ausweisnummer nir numero_de_securite_sociale securite_sociale n_secu insee dni
nie nif curp rfc numero_de_identidad cedula rut cuil codice_fiscale c.f. cpf rg cns cartao_sus sus bsn
burgerservicenummer personnummer cpr cpr-nr pesel snils снилс инн паспорт tc_kimlik emirates_id iqama 身份证
身份证号 身份证号码 マイナンバー 주민등록번호 주민번호 الهوية الهوية_الوطنية आधार rodne_cislo
nhi svnr sv-nr sv-nummer cnic nass nss imss curp
utente ramq taj c.c. cip_sns ic_no nik ktp kimlik ahv ahv-nummer ahv-nr
id-card id_card identity_card identity_no voter_id abha""",
    "health plan number": """insurance_id insurance_no insurance_number insurance_policy insurer_id policy_no
policy_number policy_id policy member_id member_no member_number membership_no membership_number subscriber_id
subscriber_no subscriber_number beneficiary beneficiary_id beneficiary_no beneficiary_number health_plan
health_plan_id plan_id plan_no group_no group_number medicare medicare_no medicare_number medicaid medicaid_id
medicaid_no hicn mbi ohip health_card health_card_no payer_id claim_no claim_number claim_id authorization_no
authorisation_no versichertennummer versicherten-nr versichertennr krankenversichertennummer kvnr kv-nummer
versicherungsnummer kassen-nr mutuelle numero_de_mutuelle carte_vitale numero_d'assure n_assure tarjeta_sanitaria
numero_de_afiliado n_afiliado afiliado poliza seguridad_social numero_de_la_seguridad_social nuss cip
tessera_sanitaria polizza carteirinha plano_de_saude convenio verzekerdennummer 医保号 医保卡号 社保号 保険証
保険者番号 被保険者番号 健康保険 полис омс बीमा bupa axa aok barmer kaiser aetna cigna humana blue_cross bcbs
tricare""",
    "account number": """account account_no account_number account_id acct acct_no acct# a/c a/c_no iban konto
kontonummer konto-nr billing_no billing_number billing_account billing_id invoice invoice_no invoice_number
rechnungsnummer rechnung numero_de_compte compte cuenta numero_de_cuenta factura conto conto_corrente conta
credit_card card_no card_number receipt_no 账号 账户 銀行口座 счет bank_account guarantor financial_no""",
    "licence number": """licence_no license_no licence_number license_number licence license driver's_license
driver's_licence drivers_license driving_licence dl_no dea dea_no dea_number npi gmc gmc_no gmc_number nmc hcpc
certificate_no certificate_number certificate cert_no medical_licence medical_license registration_certificate
fuhrerschein fuhrerscheinnummer approbationsnummer arztnummer lanr bsnr permis_de_conduire numero_rpps rpps adeli
n_ordre licencia licencia_de_conducir colegiado n_colegiado num_colegiado matricola patente crm crm-sp
carteira_de_motorista cnh passport passport_no passport_number reisepass reisepassnummer passeport pasaporte
passaporto passaporte visa_no visa_number birth_certificate state_id mci_no ahpra 执业证号 医師免許 免許証
护照 护照号 旅券""",
    "vehicle": """vin vehicle_id vehicle_no vehicle_number vehicle_identification vehicle_registration license_plate
licence_plate number_plate registration_plate plate_no plate_number car_registration vehicle_reg car_reg kennzeichen
kfz kfz-kennzeichen immatriculation plaque_d'immatriculation matricula_del_coche placa placas targa matricula 车牌
车牌号 車両番号 차량번호 госномер""",
    "device": """ser.-nr ser-nr ser.nr ser.no ser.-no serial_no serial_number serial_id serial_# serial# s/n s.n. sn
ser_no device_id device_no
device_identifier device_serial device_number udi udi-di imei lot_no lot_number asset_tag asset_no station_name
station_id aetitle ae_title equipment_no machine_no seriennummer serien-nr seriennr geratenummer numero_de_serie
n_serie no_de_serie numero_di_serie matricola_n numero_serie detector_serial scanner_serial pacemaker_serial
implant_no implant_serial model_no hostname host_name serienummer 序列号 製造番号 시리얼""",
    "biometric": """fingerprint_id fingerprint_no fingerprint_template fingerprint_record fingerprint_hash
fingerprint_ref biometric_id biometric_template biometric_ref biometric_hash iris_code iris_id iris_scan retina_scan
voiceprint voice_print face_id faceid palm_print""",
}

#: Words that are said of much: a number sign, or a value of four signs and more, has to follow.
_WEAK = """hosp patient pat pt case chart visit study encounter episode admission order exam specimen sample record file
folder subject participant hospital unit ward_number registration certificate serial lot device barcode card member
group plan insurance claim ref reference request report procedure protocol_number booking ticket token identifier id
fall auftrag dossier карта амб ист case_file konserve konservennummer aktenzeichen paciente caso prontuario visita
fiche plate vehicle car van taxi biopsy histology cytology block
slide donor bag blood prisoner inmate badge staff employee soldier service student pass locker appointment referral
docket prot protocollo pratica kennung nummer job ihre_nummer"""


def _numbered(found: re.Match[str]) -> Span | None:
    """A weak word's number: with a sign for numbers, or long and no year, no count, no size."""
    value = found["it"]
    if found["no"]:
        return found.span("it")
    digits = sum(c.isdigit() for c in value)
    if (digits < 4 and not (digits >= 3 and value[0].isalpha())) or re.fullmatch(
        r"(?:19|20)\d\d(?:\s.*|[-/](?:19|20)?\d\d?)?", value
    ):
        return None
    return (
        None
        if _COUNTED.match(after(found, 16))
        or re.fullmatch(r"\d+00|\d+\.\d+|\d{1,3}\s?-\s?\d{1,3}\.?", value)
        or " x " in value
        else found.span("it")
    )


def _numbered_long(found: re.Match[str]) -> Span | None:
    """A value of four digits, or three and a letter, that is no year and no count."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    if digits < 3 or (digits < 4 and value.isdigit()) or re.fullmatch(r"(?:19|20)\d\d|\d+0{2,}|\d+\.\d+", value):
        return None
    return None if _COUNTED.match(after(found, 16)) else found.span("it")


def _plate(found: re.Match[str]) -> Span | None:
    return found.span("it") if sum(c.isdigit() for c in found["it"]) > 1 and len(found["it"]) > 4 else None


_COUNTED = re.compile(
    r"\s*(?:/\s?(?:u?l|mm|ml|ul|l|hpf|dl|min|mcl)\b|[x×]|cells|copies|iu\b|u\b|ng|pg|mg|ug|g\b|da\b|ml|mm|"
    r"cm|um|nm|hu\b|hz|k?bq|mbq|px|pixels|voxels"
    r"|radiographs?|films|exams|examinations|people|women|men|children|questions|answers|pairs|words|tokens|"
    r"nodules|lesions|"
    r"frames|boxes|rows|annotations|eyes|reads|genes|variants"
    r"|images|patients|cases|studies|scans|slices|iterations|parameters|steps|samples|participants|records|"
    r"reports|ms\b|s\b|per\b|microl|mcg|%|units)"
)
_HARMLESS = re.compile(
    r"(?:platelets?|plt|wbc|rbc|leu[ck]ocytes?|thrombocytes|thrombozyten|leukozyten|erythrocytes|count|"
    r"counts|load|viral|cd4|copies|ferritin|probnp|bnp|nt-probnp|ck|ldh|trop\w*"
    r"|pmid|pmcid|pmc|doi|nct|isrctn|eudract|trial|snomed|snomed-ct|ct|sctid|icd|icd-10|icd-o|cpt|hcpcs|"
    r"loinc|radlex|rid|omim|mesh|umls|cui|rxnorm|atc|drg|opcs|ops|ean|isbn|issn|concept"
    r"|dbsnp|gene|snp|refseq|grch\d+|chr\w*|position|kv|ma|seed|matrix|size|dose|activity|total|about|over|"
    r"around|approximately|population|value|code|codes|score|=|<|>|~|\$|eur|usd)"
    r"(?:\s?(?:is|was|of|code|id|no|number|count))?[\s:#=(.-]*$"
)
_CODES = re.compile(
    (
        r"(?:NCT|PMC|PMID|RID|ISRCTN|GSE|GSM|ENSG|ENST|NM|NP|ICD|CPT|HP|GO|CHEMBL|DB|EC|ISO|IEC|EN|DIN|RFC|C|D|CAS|"
        r"MESH|DRKS|ACTRN|UMIN|CTRI|ChiCTR)[-_:]?\d"
    ),
    re.I,
)


def _bare(found: re.Match[str]) -> Span | None:
    """A number without a word for it: long, no count, no round figure, no code of a register or a terminology."""
    value = found[0]
    if re.fullmatch(r"\d+0{3}", value) or (_CODES.match(value) and not re.match(r"[CD]-?\d{8}", value)):
        return None
    if _COUNTED.match(after(found, 16)) or _HARMLESS.search(before(found, 24)):
        return None
    return found.span()


def _sizes(found: re.Match[str]) -> Span | None:
    """Groups of four digits that are no sizes of a matrix: those are powers of two or one number again and again."""
    groups = re.findall(r"\d+", found[0])
    return found.span() if len(set(groups)) > 1 and not {"1024", "2048", "4096"} & set(groups) else None


#: Forms that countries give their numbers. Where one is a form of other things too, ``_NATIONAL_CASED`` is stricter.
_NATIONAL = r"""(?<![\w.,/-]) (?:
    (?!000|666)\d{3}([-\s])\d{2}\1\d{4}                                          # US social security
  | [2-9]\d{3}([-\s])\d{4}\2\d{4}(?:\2\d{4})?                                    # India, Aadhaar; cards; Japan
  | \d{2}-\d{4}-\d{4}-\d{4}                                                      # India, ABHA
  | \d{3}\.\d{3}\.\d{3}-\d{2} | \d{3}-\d{3}-\d{3}(?:[-\s]\d{2})?                 # Brazil, CPF; Canada; Russia
  | \d{2}\.\d{2}\.\d{2}[-.]\d{3}[.-]\d{2} | 756\.\d{4}\.\d{4}\.\d{2}             # Belgium, Switzerland
  | \d{1,2}\.\d{3}\.\d{3}-[\dk] | \d{2}\.\d{3}\.\d{3}-?[\dxA-Z]                  # Chile, Brazil's RG, Spain
  | (?:\d{2})?\d{6}[-+]\d{4} | \d{6}[-+A]\d{3}[0-9A-Y] | \d{6}-[1-8]\d{6}         # Sweden, Denmark, Finland, Korea
  | \d{6}/\d{3,4}                                                                # Czechia
  | [12]\s?\d{2}\s?(?:0[1-9]|1[0-2]|[2-9]\d)\s?\d[\dAB]\s?\d{3}\s?\d{3}(?:\s?\d{2})?  # France
  | \d{4}[\s-]\d{5}[\s-]\d(?:[\s/-]\d)? | \d{3}\s\d{2}\s\d{4} | \d{2}\s\d{4}\s\d{4}\s\d{4}  # Australia's Medicare
  ) (?![\w]) (?![-/.]\d)"""
_NATIONAL_CASED = r"""(?<![\w-]) (?:
    [A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\ ?\d{2}\ ?\d{2}\ ?\d{2}\ ?[A-D]            # UK, National Insurance
  | [A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]                                  # Italy
  | [A-Z]{4}\d{6}(?:[HM][A-Z]{5}[A-Z0-9]\d|[A-Z0-9]{3})                           # Mexico
  | [A-Z]{5}\d{4}[A-Z] | [STFGM]\d{7}[A-Z] | [A-Z]{1,2}\d{6}\([\dA]\)             # India's PAN, Singapore, Hong Kong
  | \d{8}[-\s]?[A-HJ-NP-TV-Z] | [XYZ][-\s]?\d{7}[-\s]?[A-Z]                       # Spain
  | [1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]
    [AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}  # US
  | [A-Z]{2}\d{2}(?:\ ?[A-Z0-9]{4}){3,7}(?:\ ?[A-Z0-9]{1,3})?                     # IBAN
  | [A-HJ-NPR-Z0-9]{3}(?=[A-Z0-9]*[A-Z])(?=(?:[A-Z]*\d){6})[A-HJ-NPR-Z0-9]{14}    # a vehicle's
  | [A-Z]\d{9} | [A-Z]{2}\d{7} | [A-Z]{3}\d{7}                                    # German insurance, passports, voters
  ) (?![\w]) (?!-\d)"""

_BARE = r"""(?<![^\W\u3040-\u9fff\uac00-\ud7a3]|[.,/^+-])(?<!\d\s) (?:
    \d{6,20}(?:-\d{1,4}|/\d{2,4}|[A-Z]{1,2})?                                      # 00481516, 123456/19
  | (?-i:[A-Z]{1,6})-?\d{5,20}(?:-\d{1,6}){0,3}(?-i:[A-Z]{0,2})                     # H1234567, MR-123456
  | (?-i:[A-Z]{1,6})[-_/]?(?:\d{2}|(?:19|20)\d\d)[-_/]\d{3,12}(?:-\d{1,6})?         # S19-12345, CT-2019-00421
  | \d{2}(?-i:[A-Z]{1,4})[-]?\d{4,12} | \d{2}-\d{5,10}                              # 19RX12345, 19-004211
  | (?-i:[A-Z]{2,5})-\d{2,6}-\d{2,6}(?:-\d{1,6})?                                  # PT-0042-17
  | \d{2}-\d{2}-\d{2}(?:-\d{2})? | \d{3}-\d{2}-\d{3}(?:-\d)? | \d{4}-\d{4} | \d{2,4}-\d{3}-\d{2,4} # terminal digits
  | (?-i:[A-Z])\d{3}-\d{3}-\d{2}-\d{3}(?:-\d)? | (?-i:[A-Z]\d{3})-\d{4}-\d{4}       # US driving licences
  ) (?![\w^+]|[.,]\d|-\d|\s?\d{2})"""
_UUID = (
    r"(?<!\w)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?!\w) |"
    r" (?<!\w)(?=[a-f]*\d)[0-9a-f]{32}(?:[0-9a-f]{8})?(?:[0-9a-f]{24})?(?!\w)"
)
_UID = (
    r"(?<![\w.])2\.25\.\d{6,40}(?!\w)|(?<![\w.])[0-2](?:\.\d{1,39}){4,30}+(?!\w) |"
    r" (?<![\w.])1\.[23]\.8\d\d[\d.]{1,60}"
)
_STATIONS = (
    "queue ae_title aetitle ae aet station_name station workstation hostname host_name host node computer pc "
    "scanner_name device_name"
)
_STATION = (
    rf"(?<!\w){alternatives(_STATIONS)}\s?(?:[:=]|is|was)?\s{{0,2}}[\x22\x27]?(?P<it>(?-i:[A-Z][A-Z0-9]{{2,}}(?:["
    rf"\s_-][A-Z0-9]*\d[A-Z0-9]*|[\s_-][A-Z0-9]+){{0,3}}))(?!\w)"
)
_MARKS = r"""(?<!\w)(?:fingerprints?\s(?:on\ file|taken|match\w*|scan\w*|attached|record\w*|
    of\ (?:his|her|the\ patient)|id|
    was|were|stored|hash)
    |(?:retinal?|iris|palm|face)[\s-](?:scan|print|template|code|id|recognition)s?\s?(?:id|no|on\ file|hash|
    template|[:=]|stored|match\w*)|voice\s?prints?|voice\srecordings?\sof
    |biometrics?\s(?:id|record|template|identifier|data|match\w*|hash)s?|facial\srecognition\s(?:id|template|
    match|hash)|fingerabdr(?:uck|ucke)|empreintes?\sdigitales?
    |huellas?\s(?:dactilar|digital)(?:es)?|impront[ae]\sdigital[ei]|impress(?:ao|oes)\sdigita(?:l|is)|
    dna\sprofile\s(?:id|no|on)|genetic\sfingerprint
    |full[\s-]face\sphoto\w*|指纹|指紋|지문|虹膜识别|отпечат\w+\sпальц\w+)(?!\w)"""
_LAST_FOUR = (
    r"(?<!\w)(?:last|final)\s(?:four|4|3|three)(?:\sdigits)?(?:\sof\s(?:the\s|his\s|her\s)?(?:ssn|"
    r"social\ssecurity(?:\snumber)?|card|account|mrn|phone|id))?\s?(?:is|are|:|were|"
    r"=)?\s?(?P<it>\d{3,4})(?!\w) | (?<!\w)(?:ssn|mrn|acct|account|card|id)\sending\s(?:in\s|"
    r"with\s)?(?P<end>\d{2,6})"
)


def _cued(kind: str, words: str) -> Rule:
    pattern = (
        rf"{APART}{alternatives(words)}(?![^\W\d_])\.?\s?{_NO}?{_LINK}(?P<it>(?:\([A-Za-z]{{2,8}}\)\s?)?"
        rf"{_VALUE})"
    )
    return Rule(
        kind,
        f"{kind} after its name",
        compiled(pattern),
        cues_of(words),
        signs_of(words),
        place=_of_person if kind == "record number" else _of_three,
    )


def _of_person(found: re.Match[str]) -> Span | None:
    """Not the size, percentage or count that a short word such as "PAN" or "FIN" may stand before."""
    digits = sum(c.isdigit() for c in found["it"])
    return None if digits < 4 and _COUNTED.match(after(found, 16)) else found.span("it")


def _of_three(found: re.Match[str]) -> Span | None:
    """As ``_of_person``, of three digits and more or letters between two: "policy 2", "licence CC0" are none."""
    sure = sum(c.isdigit() for c in found["it"]) > 2 or re.search(r"[A-Z]\d[A-Z]+\d|\d[A-Z]\d", found["it"])
    return _of_person(found) if sure else None


_NUMBER_SIGN = (
    r"(?<!\w)(?<!fig\s)(?<!figure\s)(?:no|nr|num|number|id|ref|reference)(?:\.|:|\s\#|\#|"
    r"\s)\s?:?\s?(?P<it>(?=[\w./-]*\d)(?=(?:\w[./-]?){4})[\w][\w./-]{3,30})"
)
_ROOM = (
    r"(?<!\w)(?:room|rm|bed|ward|bay|cubicle|locker|pod|chair|theatre|suite|zimmer|bett|chambre|lit|"
    r"habitacion|cama|stanza|letto|quarto|"
    r"leito)\.?\s(?:(?:no|nr|number)\.?\s)?\#?(?P<it>\d{1,4}-?(?-i:[A-Z])|\d{3,4}(?:-\d{1,2})?)(?![\w.]\d|\w|"
    r"\s?(?:mm|cm|ml|%|x))"
)
_CARS = (
    "car van vehicle taxi truck lorry motorbike motorcycle scooter auto wagen voiture coche moto reg "
    "registration plate plates kennzeichen pkw lkw"
)
_PLATE = (
    rf"(?<!\w){alternatives(_CARS)}\.?:?\s(?:(?:reg|no|number|plate|reads|reading|with|plates?|registered|is|was|mit|"
    rf"kennzeichen)\.?:?\s){{0,3}}(?P<it>(?-i:[A-Z]{{1,3}}[\s-]?[A-Z]{{0,2}}[\s-]?\d{{1,4}}[\s-]?[A-Z]{{0,3}}(?:["
    rf"\s-]?\d{{1,4}})?))(?!\w)"
)
_TOKEN = (
    r"(?<!\w)(?:api[\s-]?keys?|access\s(?:key|token)|tokens?|passwords?|passwd|pwd|passcode|secret|"
    r"licen[cs]e\skey|product\skey|serial\skey|activation\s(?:key|code)|bearer|credentials?|kennwort|passwort|"
    r"contrasena|senha|mot\sde\spasse)\s?(?:is\s|[:=]\s?)?[\x22\x27]?(?P<it>(?=[^\s\x22\x27]*\d)(?=\d{6}|"
    r"[^\s\x22\x27]*[A-Za-z])[^\s\x22\x27]{5,200})|(?<!\w)(?-i:sk|pk|ghp|hf|xoxb|AKIA|AIza)[-_]?\w{16,80}"
)

#: Any short form in capitals and a long number: "AN 88120-62", "XKV: 5512097".
_ABBREVIATED = (
    r"(?<![\w.-])(?-i:[A-Z]{2,6})(?:\s?[:#.=]{1,2}\s?|\s(?:(?:no|nr|id|"
    r"number)\.?:?\s)?)(?P<it>(?-i:[A-Z]{0,4})-?\d{3,12}(?:[-/]\d{1,8}){0,3}"
    r"(?-i:[A-Z]{0,2}))(?![\w]|[.,]\d|[-/]\w|\s?(?:x|to|of|-)\s?\d)"
)
_UNITLESS = listed("""TR TE TI FA BW FOV WW WL HU SUV DLP CTDI KV KVP MA MAS MGY WBC RBC PLT HGB HB HCT BNP CRP ESR
CK LDH
ALT AST
ALP GGT PSA CEA AFP HCG TSH CD HCPCS CPT ICD SNOMED LOINC CT MR MRI PET US XR CR DX MG NM RF OT RID PMID DOI
DRG OPS ATC NCT CUI EC ISO IEC DIN EN RFC IEEE GPU CPU RAM HTTP PORT TCP SSH RGB SD SEM CI OR HR RR AUC AP PA
LL RL LAT SE IM IMG FIG TAB REF NB IU MBQ GBQ MCI BQ GY SV MSV MEQ EUR USD GBP INR CHF JPY MIMIC TCIA LIDC
RSNA NIH NLST TOTAL MAX MIN AVG STEP SEED EPOCH BATCH SOURCE OUTPUT INPUT SIZE COUNT DOSE RATE VALUE SCORE
INDEX LEVEL GENE CHR POS EGFR HLA COVID SARS OMIM HGNC ETL NEX NSA PH PO ML MM CM KG LBS MB GB TB KB DPI PPI
HZ MHZ FPS ADC""")


def _abbreviated(found: re.Match[str]) -> Span | None:
    """Behind a short form that is no value's: five digits, or letters and three with a sign between."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    short = found[0].split(value)[0].strip(" :#.=").split()[0].rstrip(":#.=")
    few = digits < 5 and not (value[0].isalpha() and digits > 3)
    if (
        few
        or short in _UNITLESS
        or re.fullmatch(r"\d+0{3}", value)
        or _CODES.match(value)
        or _COUNTED.match(after(found, 16))
    ):
        return None
    return None if re.fullmatch(r"(?:19|20)\d\d[-/](?:19|20)?\d\d|\d{1,4}[-/]\d{1,4}", value) else found.span("it")


_WEAK_FORM = rf"{APART}{alternatives(_WEAK)}s?[\s.,-]{{0,2}}(?P<no>{_NO}(?![^\W\d_])\.?|\#)?{_LINK}(?P<it>{_VALUE})"

_ROOMS = (
    "room rm bed ward bay cubicle locker pod chair theatre suite zimmer bett chambre lit habitacion cama "
    "stanza letto quarto leito"
)
_SECRETS = """api access token tokens password passwords passwd pwd passcode secret licence license product serial
activation bearer credential credentials kennwort passwort contrasena senha mot sk pk ghp hf xoxb akia aiza"""
_BODY = """fingerprint fingerprints retina retinal iris palm face voice voiceprint biometric biometrics facial
fingerabdruck empreinte empreintes huella huellas impronta impronte impressao impressoes dna genetic full 指纹 指紋
지문 虹膜 отпечат"""

RULES: tuple[Rule, ...] = (
    *(_cued(kind, words) for kind, words in _STRONG.items()),
    Rule(
        "record number",
        "number after a sign for it",
        compiled(_NUMBER_SIGN),
        cues_of("no nr num number id ref reference"),
        place=_numbered_long,
    ),
    Rule("record number", "room or bed", compiled(_ROOM), cues_of(_ROOMS)),
    Rule("vehicle", "plate of a car", compiled(_PLATE), cues_of(_CARS), place=_plate),
    Rule(
        "record number",
        "number behind a short form",
        compiled(_ABBREVIATED),
        numbers=True,
        reach=12,
        place=_abbreviated,
    ),
    Rule("other number", "key or password", compiled(_TOKEN), cues_of(_SECRETS)),
    Rule(
        "record number", "number after a word", compiled(_WEAK_FORM), cues_of(_WEAK), signs_of(_WEAK), place=_numbered
    ),
    Rule("national number", "national form", compiled(_NATIONAL), numbers=True, place=_sizes),
    Rule(
        "national number", "national form with letters", compiled(_NATIONAL_CASED, cased=True), numbers=True, reach=None
    ),
    Rule("record number", "bare number", compiled(_BARE), numbers=True, reach=None, place=_bare),
    Rule(
        "record number",
        "last digits",
        compiled(_LAST_FOUR),
        cues_of("last final ssn mrn acct account card id"),
        place=lambda found: found.span(),
    ),
    Rule("other number", "UUID or hash", compiled(_UUID), numbers=True, reach=None),
    Rule("device", "UID", compiled(_UID), numbers=True),
    Rule("device", "name of a station", compiled(_STATION), cues_of(_STATIONS)),
    Rule("biometric", "biometric mark", compiled(_MARKS), cues_of(_BODY), signs_of(_BODY)),
)
