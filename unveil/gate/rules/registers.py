"""Numbers of registers: police, courts, wards' and laboratories' books, insurers, studies, and of things that carry one
person's number (wristbands, trays, cassettes, films, discs, blocks); several numbers under one label.

Behind a word of a register anything with three digits is a number, but for counts, years and fractions; behind a thing
it has four digits or letters too, since a report counts films and discs.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from unveil.gate.nouns import STRONG
from unveil.gate.plain import hidden, plain
from unveil.gate.rule import APART, Rule, Span, after, alternatives, before, compiled, cues_of, signs_of
from unveil.gate.units import MEASURED, YEAR
from unveil.gate.words import harmless

_NO = (
    r"(?:(?:no|nos|nr|n\.?[o°º]|n|num|number|numbers|nummer|numero|numer|id|ids|ref|refs|reference|code|\#|log|slip|label|"
    r"labell?ed|marked|reads|reading|is|was|ist|lautet|of|du|de|di|do|von|van)\b\.?[\s:=\#]{0,3}|[\#:]\s?){0,3}"
)
_VALUE = r"(?=[\w./-]*\d)[A-Za-z0-9][\w-]*+(?:[./-][\w-]++){0,5}"
_END = r"(?![\w]|[.,]\d)"

#: Books, files and reports of offices and wards, by language.
_REGISTERS = """police_ref police_reference police_no crime_ref crime_reference crime_number crime_no incident_no
incident_number incident_ref incident_log incident incident_report event_number occurrence occurrence_no niche_no urn
log
cad_no cad_ref cad_number collar_number badge_number exhibit exhibit_no evidence evidence_bag seal seal_no custody_no
custody_record court_no court_ref court_order docket docket_no cause_no writ indictment coroner_ref coroner's_ref
inquest
complaint_no datix datix_no hazard_no ulysses sar_no safeguarding_ref foi_ref
claim claim_no voucher voucher_no coupon auth auth_no authorization authorisation preauth pre-auth prior_auth approval
approval_no grp rxgrp rxbin rxpcn rxid grievance_no appeal_no
register registry register_no book_no ledger daybook day_book theatre_book entry_no theatre_register er_no ed_no gp_no
aktenzeichen az az. geschaftszeichen gz gz. tgb.-nr tgb-nr tgb.nr tagebuchnummer vorgang vorgangsnummer zsv run_sheet
firearm_cert firearms_certificate shotgun_cert diligencias_previas stp eni verbale_ps polis polisnr historii_choroby
ksiega_raportow hasta_kayit 学号 学籍番号 din vorgangs-nr
aktennr akten-nr sektionsnummer schadennummer schaden-nr schadensnummer unfallnummer bg-az e-nr eingangsnummer
journal-nr
buchnummer protokollnummer anzeige strafanzeige ermittlungsakte gutachtennr gutachten-nr beleg belegnummer
pv proces-verbal sinistre main_courante no_de_greffe rg_no procedure_no parquet_no registre registre_no ordonnance_no
diligencias atestado denuncia sumario juzgado_no siniestro parte_no nhc registro_no folio tomo exp exp. expte expte.
num_exp
pratica sinistro verbale denuncia_n fascicolo protocollo prot prot. rgnr procedimento cartella cartella_n registro_n
scheda_n
cc_n nosologico nosografico episodio
boletim_de_ocorrencia bo b.o. inquerito processo proc proc. auto_n apolice sinistro_n guia autorizacao senha prontuario
atendimento matricula registro
proces-verbaalnummer pv-nummer aangifte zaaknummer parketnummer rolnummer schadenummer dossier dossiernr procesnr
sygn sygn. sygnatura sygn_akt sygn._akt ks._gl ks_gl ks._gl. ksiega_glowna ks._przyj ks._przyj. ks._od ks. l.dz l.dz.
ldz
nr_ks ksiega_oddzialowa ksiega_zabiegowa ksiega nr_ks. nr_sprawy sprawa nr_badania bad bad. bad._nr badanie badanie_nr
prac._nr nr_zlecenia zlecenie nr_szkody
szkoda
krs regon nr_protokolu
dnr diarienr diarienummer sakref sakref. saksnr saksnummer sagsnr sagsnummer journalnr journalnummer lopnr lopnr.
lopnummer
journal lpnr lpnr. lpnummer malnr malnummer arendenr arendenummer skadenr skadenummer anmalan remiss remissnr remissid
rekvisition
rekvnr rekv. henvisning
dosya dosya_no esas_no karar_no sorusturma_no protokol protokol_no defter_no evrak_no kayit_no barkod hasar_no police_no
kimlik kimlik_no tc_no spis_zn sp._zn c.j. cj. ugyszam naploszam dosar nr_dosar
журнал журнала протокол дело кусп αρ._πρωτ 受理番号 事件番号 案号 접수번호"""
#: German, Polish and United States' courts write letters between.
_COURT = (
    r"(?:\d{1,4}|[IVX]{1,5}|[A-Z]\s\d{1,3})\s(?-i:[A-Z][A-Za-z]{0,3})\s\d{1,5}/\d{2,4}"
    r"|\d:\d{2}-[a-z]{2}-\d{2,6}|\d{2,4}/\d{2,8}(?:-?(?-i:[A-Z]))?"
)
_REGISTER = rf"{APART}{alternatives(_REGISTERS)}(?![^\W\d_])\.?[\s:=\#(]{{0,3}}{_NO}(?P<it>{_COURT}|{_VALUE}){_END}"

_THINGS = """wristband wristbands armband wrist_band id_band id_bracelet bracelet bed_tag bedtag toe_tag body_bag tag
tray trays cassette cassettes film films xray_film tape tapes video reel disc discs disk dvd cd usb usb_stick locker
key_no
specimen specimens sample samples vial pot jar container block blocks slide slides biopsy donor bag brush swab
blood_bag unit envelope
pouch property_bag property ticket tickets token receipt coupon jacket packet folder film_jacket master_folder
bettkarte tablett kassette platte spind schliessfach probe praparat objekttrager schnitt spender beutel konserve
asservat
siegel gutschein freigabe kostenubernahme datentrager rontgentute tute mappe
plateau bande disque casier prelevement bloc lame donneur poche scelle pochette accord prise_en_charge
pulsera bandeja casete placa cinta disco taquilla muestra bloque portaobjetos donante bolsa vale autorizacion
braccialetto vassoio cassetta pellicola nastro armadietto campione blocchetto blocco vetrino donatore sacca sigillo
buono
autorizzazione pulseira filme fita armario amostra bloco lamina doador lacre
polsband bandje lade schijf kluisje monster blok glaasje zak zegel machtiging
opaska taca kaseta klisza tasma plyta szafka probka bloczek szkielko dawca worek talon
armbands brickband bricka kassett skiva skap prov provnr preparat kloss givare pase glassnr
bileklik tepsi kaset disk dolap ornek blok lam donor torba"""
_THING = (
    rf"{APART}{alternatives(_THINGS)}(?![^\W\d_])\.?[\s:=\#(]{{1,3}}{_NO}(?P<it>\d{{1,2}}:\d{{3,5}}|{_VALUE}){_END}"
)

_SUBJECTS = """subj subj. subject subjects subject_id sbj participant participants pt patient volunteer enrolee enrollee
rand rand. rando rnd randomised_under randomized_under randomisation randomization randomised_as randomized_as
screening screening_no enrolment enrollment
kit kit_no proband probandin versuchsperson vp studienpatient pat pat. sujet patient_no sujeto voluntario soggetto
volontario sujeito proefpersoon deelnemer uczestnik badany forsoksperson forsogsperson deltager deltagare denek
katilimci
испытуемый"""
_SUBJECT = (
    rf"{APART}{alternatives(_SUBJECTS)}(?![^\W\d_])\.?[\s:=\#(]{{1,3}}(?:(?:no|nr|num|number|id|code|rand|screening|"
    rf"as|to|under)\b\.?"
    rf"[\s:=\#]{{0,3}}){{0,2}}(?P<it>{_VALUE}){_END}"
)

#: Labels behind which several numbers stand.
_LISTED = (
    " ".join(
        [
            STRONG["record number"],
            STRONG["account number"],
            STRONG["national number"],
            _REGISTERS,
            "mrns accessions ids cases",
        ]
    )
    + " records files claims tickets policies accounts charts orders specimens blocks slides samples exams visits"
    + " subjects"
)
_ITEM = r"(?-i:[A-Z]{0,4})-?\d[\d/-]{1,14}(?-i:[A-Z])?(?![\w]|[.,]\d)"
_SEVERAL = (
    rf"{APART}{alternatives(_LISTED)}(?![^\W\d_])\.?[\s:=\#(]{{0,3}}{_NO}(?P<it>{_ITEM}(?:\s?(?:,|/|&|\+|;|and|und|"
    rf"et|y|e|en|"
    rf"og|och|i|ve|or|oder|vs|to|into|with)\s?(?:and\s|und\s)?{_ITEM}){{1,8}})"
)
_CAD = r"(?<!\w)(?:cad|incident|log|ref|event)\s?(?:no|nr|number|ref|\#)?[.:\s]{1,3}(?P<it>\d{2,8})(?![\w/]|[.,]\d)"

_UDI = (
    r"(?<!\w)\(01\)\s?\d{14}(?:\s?\((?:1[0-7]|2[01]|30|240|250)\)\s?[A-Za-z0-9./-]{1,24}){0,6}"
    r"|(?:\((?:10|11|17|21)\)\s?[A-Z0-9][A-Z0-9./-]{3,23}\s?){2,6}"
)

_CARDS = (
    """tessera tessere card carte karte tarjeta cartao carteira karta kort kart kaart pas ehic team ceam ekuz gesy"""
)
_CARD = (
    rf"(?<![^\W_]){alternatives(_CARDS)}(?![^\W\d_])[\s:=\#]{{1,3}}{_NO}"
    rf"(?P<it>\d{{3,12}}(?:[\s.-]\d{{2,8}}){{1,6}}){_END}"
)

_GROUPS = (
    r"(?<!\w)(?:grp|group|rxgrp|pcn|rxpcn|bin|rxbin|rx\sbin|rx\sgrp)\s?(?:no|nr|id|\#)?[.:=\s]{1,3}"
    r"(?P<it>(?-i:[A-Z0-9][A-Z0-9-]{3,14}))(?!\w)"
)

_KEYS = """patient patients pat pt name subject subj person mrn ref id operator physician user username token auth
authorization basic bearer identity payload cookie session kennung patientenname nom nombre nome naam dob data"""
_CODED = (
    rf"(?<![^\W_]){alternatives(_KEYS)}(?![^\W\d_])[\s\w-]{{0,12}}\x22?\s?[:=]\s?[\x22']?(?:basic\s|bearer\s|"
    rf"base64[,:\s])?"
    r"(?P<it>[A-Za-z0-9+/_-]{8,400}={0,2})(?![\w=])"
)


def _registered(found: re.Match[str]) -> Span | None:
    """Three digits, or two beside a letter or a sign; no count, no year, no fraction, no code of a terminology."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    if re.fullmatch(_COURT, value, re.I) and digits > 3 and not YEAR.fullmatch(value):
        return found.span("it")
    if digits < 2 or MEASURED.match(after(found, 12)) or YEAR.fullmatch(value) or re.fullmatch(r"\d{1,2}0{2,}", value):
        return None
    if re.fullmatch(r"\d{1,3}[-/.:]\d{1,2}|\d{1,2}[-/.:]\d{1,3}|\d+\.\d+|\d{1,3}/10+", value) and digits < 5:
        return None
    if re.match(r"(?:NCT|ICD|CPT|RID|DRG|[A-TV-Z]\d\d\.)", value) or re.match(r"[a-z]{2,}\d{0,2}$", value):
        return None
    return found.span("it") if digits > 2 or re.search(r"[A-Z]", value) else None


def _thing(found: re.Match[str]) -> Span | None:
    """Four digits, or a letter and three, or parts of two digits and more; no level of a spine, no size."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    if MEASURED.match(after(found, 12)) or YEAR.fullmatch(value) or re.fullmatch(r"\d{1,3}0{2,}|\d+\.\d+", value):
        return None
    if re.fullmatch(r"[CTLSD]\d{1,2}([-/][CTLSD]?\d{1,2})*|[A-Za-z]{1,6}\d{1,2}|\d+[a-z]{1,4}", value):
        return None
    before_it = before(found, 12)
    if found[0][:2].lower() == "cd" and digits < 4:
        return None
    parts = [len(part) for part in re.findall(r"\d+", value)]
    enough = digits > 3 or (digits > 2 and value[0].isupper() and not value[-1].islower())
    enough = enough or (digits > 2 and len(parts) > 1 and min(parts) > 1)
    of = re.match(r"\s?(?:of|von|de|di|van|z|av|/)\s?\d", after(found, 8))
    return found.span("it") if enough and not of and not re.search(r"\d\s$", before_it) else None


def _subject(found: re.Match[str]) -> Span | None:
    """A nought before, a letter and two digits, or two parts of which one has three digits; no range, no level."""
    value = found["it"]
    digits = sum(c.isdigit() for c in value)
    if MEASURED.match(after(found, 12)) or YEAR.match(value) or re.fullmatch(r"\d+[.,]\d+.*|\d{1,2}[-/]\d{1,3}", value):
        return None
    if re.fullmatch(r"[CTLSDMNGQ]\d{1,2}([-/][CTLSDMN]?\d{1,2}[a-z]?)*|[a-z].*|\d+[a-z]+|[A-Z]+\d", value):
        return None
    short = re.match(r"pa?t|patient", found[0].lower()) and not re.search(r"0\d{2}|\d{3}|[A-Z]-?\d\d", value)
    coded = (
        re.match(r"0\d{2}", value)
        or re.match(r"[A-Z]{1,5}-?\d{2}", value)
        or re.search(r"\d{3}.*[-/]\d|\d[-/]\d{3}", value)
    )
    return found.span("it") if digits > 1 and (coded or digits > 4) and not short else None


def _several(found: re.Match[str]) -> Span | None:
    """Two numbers of three digits and more."""
    numbers = re.findall(r"\d[\d/-]*", found["it"])
    if any(len(re.sub(r"\D", "", number)) < 3 or YEAR.fullmatch(number) for number in numbers):
        return None
    return None if MEASURED.match(after(found, 12)) else found.span("it")


#: Files of German courts, by the letters of their registers or behind a court.
_FILED = (
    r"(?<![\w./-])\d{1,3}\s(?:(?-i:Js|Ls|Ds|Cs|Ks|KLs|UJs|Ujs|Gs|Qs|XVII|XIV|OWi)\s\d{1,5}/\d{2}|"
    r"(?-i:[A-Z][a-z]?\s\d{1,5}/\d{2}(?=\s(?:AG|LG|OLG|VG|SG|LSG|BGH|BSG|StA)\b)))(?!\d)"
    r"|(?<!\w)(?-i:(?:AG|LG|OLG|VG|SG|LSG|StA)\s(?:[A-Z]\w{2,20}\s)?\d{1,3}\s[A-Z]\w{0,3}\s\d{1,5}/\d{2})(?!\d)"
)


def _cad(found: re.Match[str]) -> Span | None:
    """Behind the police, or of four figures: "CAD" is also the heart's."""
    value = found["it"]
    if re.search(r"police|crime|999|cad|incident|pc\b|dispatch|ambulance", before(found, 60)):
        return found.span("it")
    alone = found[0].startswith("CAD") and len(value) > 3 and not re.fullmatch(r"\d+00|(?:19|20)\d\d", value)
    return found.span("it") if alone and not MEASURED.match(after(found, 12)) else None


def _card(found: re.Match[str]) -> Span | None:
    return found.span("it") if 8 <= sum(c.isdigit() for c in found["it"]) <= 24 else None


def _grouped(found: re.Match[str]) -> Span | None:
    """Digits in four places and more, or capitals beside a card's other numbers."""
    value, near = found["it"], before(found, 60) + after(found, 40)
    insured = re.search(r"subscriber|member|copay|rx|grp|payer|insur|plan\b|pcn|bin\b|policy", near)
    digits = sum(c.isdigit() for c in value)
    return found.span("it") if (insured and (digits > 2 or value.isupper())) else None


def _coded(found: re.Match[str]) -> Span | None:
    """What is text in Base64, whatever it says: a key that names a person says whose it is."""
    value = found["it"]
    for _, _, inside in hidden(plain(value)):
        if re.search(r"[A-Za-z]{3}|\d{4}", inside) and re.fullmatch(r"[ -~\u00c0-\u024f]+", inside):
            return found.span("it")
    mixed = len(value) > 19 and len(re.findall(r"[a-z][A-Z]|[A-Z][a-z]|\d[A-Za-z]", value)) > 7
    return found.span("it") if mixed and not harmless(value) else None


def _rule(kind: str, name: str, pattern: str, words: str, place: Callable[[re.Match[str]], Span | None]) -> Rule:
    return Rule(kind, name, compiled(pattern), cues_of(words), signs_of(words), place=place)


RULES: tuple[Rule, ...] = (
    _rule("record number", "number of a register", _REGISTER, _REGISTERS, _registered),
    _rule("record number", "number of a thing", _THING, _THINGS, _thing),
    _rule("record number", "number in a study", _SUBJECT, _SUBJECTS, _subject),
    _rule("record number", "several numbers", _SEVERAL, _LISTED, _several),
    _rule("record number", "number of the police", _CAD, "cad incident log ref event", _cad),
    Rule("record number", "file of a court", compiled(_FILED), cues_of("ag lg olg vg sg lsg sta"), (), True),
    Rule("device", "UDI", compiled(_UDI), signs=("(01)", "(10)", "(11)", "(17)", "(21)")),
    _rule("health plan number", "number of a card", _CARD, _CARDS, _card),
    _rule("health plan number", "group of a plan", _GROUPS, "grp group rxgrp pcn rxpcn bin rxbin rx", _grouped),
    _rule("other number", "Base64 behind a key", _CODED, _KEYS, _coded),
)
