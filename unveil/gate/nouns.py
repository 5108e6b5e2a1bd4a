"""Nouns behind which a person's number stands, by HIPAA's kinds; ``_`` parts the words of one."""

from __future__ import annotations

#: Words that are said of nothing but a person's number: any value with a digit follows.
STRONG: dict[str, str] = {
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
    "vehicle": """vin vrn rego vehicle_id vehicle_no vehicle_number vehicle_identification vehicle_registration
license_plate
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
WEAK = """hosp patient pat pt case chart visit study encounter episode
admission order exam specimen sample record file
folder subject participant hospital unit ward_number registration certificate serial lot device barcode card member
group plan insurance claim ref reference request report procedure protocol_number booking ticket token identifier id
fall auftrag dossier карта амб ист case_file konserve konservennummer aktenzeichen paciente caso prontuario visita
fiche plate vehicle car van taxi biopsy histology cytology block
slide donor bag blood prisoner inmate badge staff employee soldier service student pass locker appointment referral
docket ident incident prescription
ordine police run statement dispatch crime complaint ordonnance bon feuille ficha albaran volante pedido solicitud
peticion orden
richiesta impegnativa ricetta requisicao zakazka objednavka zlecenie skierowanie bestilling remiss lahete rezept akte
verordnung
bestellung auftragsnr patientenakte mapa karta kartoteka protokol evraki prot protocollo pratica kennung nummer job
ihre_nummer"""
