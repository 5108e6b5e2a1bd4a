"""Hospitals, practices and institutes with a name of their own; "University Hospital" and "Pain Clinic" are none."""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, alternatives, cues_of
from unveil.gate.words import listed, ordinary

_NAME = r"[A-Z][\w'.-]*"

_HOUSES = """Hospital Hospitals Clinic Clinics Infirmary Medical_Center Medical_Centre Health_System Healthcare
Health_Centre Health_Center Health_Sciences Surgery Practice Hospice Sanatorium Nursing_Home Care_Home Care_Centre
Care_Center Trust NHS_Trust NHS_Foundation_Trust Medical_School University Radiology Imaging Imaging_Center
Imaging_Centre Diagnostics Diagnostic_Centre Diagnostic_Center Institute Cancer_Center Cancer_Centre Heart_Center
School Academy Kindergarten Elementary Polyclinic Medical_Group Medical_College Physicians Rehabilitation_Center
Regional Memorial Health Maternity Dispensary Nursing_Homes Ziekenhuis Krankenhaus Klinikum Spital Klinik Sykehus
Sjukhus Szpital Kliniken Radiologists Laboratories Labs Pharmacy Prison"""
_LOUD = (
    "HOSPITAL HOSPITALS CLINIC INFIRMARY MEDICAL_CENTER MEDICAL_CENTRE HEALTH_SYSTEM HEALTHCARE HEALTH_CENTRE "
    "HEALTH_CENTER HOSPICE NURSING_HOME UNIVERSITY KLINIKUM KRANKENHAUS"
)
_HOUSE = (
    rf"(?<![\w-])(?P<it>(?:St\.?\s)?(?:{_NAME},?\s(?:(?:of|and|&|the|for|de|del|la|el|in|at|am|zu|"
    rf"der)\s){{0,2}}){{1,6}}(?:{alternatives(_HOUSES)}|{alternatives(_LOUD)})(?:\s(?:of|at|"
    rf"in)\s(?:the\s)?{_NAME}(?:\s{_NAME}){{0,2}})?)(?!\w)"
)
_NOT_PLACES = listed("""general hospital clinic medical university children's childrens women's community regional
district county city state national federal local outside referring referral teaching academic tertiary secondary
primary base field day eye dental memory stroke pain breast fracture outpatient inpatient surgery radiology imaging
health public private military veterans care our this that your another other same any each every family group
foundation institute practice nuclear royal college high middle elementary grammar school center centre diagnostic
diagnostics thoracic cardiac
vascular plastic bariatric robotic open key keyhole hand foot spine spinal knee hip shoulder neuro orthopaedic
orthopedic maternity mental palliative acute critical intensive emergency urgent walk-in new old online virtual mobile
digital advanced clinical evidence-based best current good artificial common head department division service services
ward team after before post pre prior previous during following major minor elective dr prof dra""")
_REVERSED_HOUSE = (
    r"(?<!\w)(?P<it>(?:[A-Z]\w*(?:klinik|klinikum|kliniken|krankenhaus|spital|ziekenhuis)|Klinikum|Klinik|"
    r"Kliniken|Krankenhaus|Spital|Practice|Studio|Praxis|Radiologie|MVZ|Hopital|Clinique|CHU|CHRU|CHR|CH|"
    r"Centre\s[Hh]ospitalier|Cabinet|Hospital|Clinica|Centro\s[Mm]edico|Centro\sde\s[Ss]alud|Ospedale|"
    r"Policlinico|Azienda\sOspedaliera|ASL|Casa\sdi\s[Cc]ura|Santa\sCasa|UBS|UPA|Ziekenhuis|UMC|Szpital|AIIMS|"
    r"Charite)\s(?:(?i:universit\w*|municipal|general|regional|civile|central|intercommunal|geral|universidade|"
    r"clinico|infantil|militar|san|st\.?|sankt|am|an|im|in|der|des|de|du|del|della|di|do|da|das|dos|la|le|les|"
    r"zum|zur|fur|den|los|las|el|a|e|y)\s|d'|l'){0,5}[A-Z][\w'-]+(?:[\s-](?:(?:de|der|di|da|la|"
    r"y)\s)?[A-Z][\w'-]+){0,3})"
)
_AFTER_HOSPITAL = re.compile(
    (
        r"(?:hospital|clinica|radiologie|cabinet|praxis|klinik|ch|upa)\s(?:day|course|no|number|id|admission|"
        r"discharge|stay|information|acquired|records?|name|unit|ward|report|bed|chart|policy|patients?|notes?|"
        r"floor|visit|data|mortality|physician|tests?)\b"
    ),
    re.I,
)
_SAINTS = (
    r"(?<!\w)(?:St\.?|Saint|Sankt|Sainte|Ste\.?)\s[A-Z][a-z]+(?:-[A-Z][a-z]+)?'s?(?!\w)(?!\s(?:dance|disease|"
    r"fire|syndrome|sign|wort|valve|medical|mitral))|(?<=\bat\s)(?:St\.?|Saint|Mount|Mt\.?)\s[A-Z][a-z]+(?:'s)?|"
    r"(?<=\bfrom\s)(?:St\.?|Mount|Mt\.?)\s[A-Z][a-z]+"
)
_KNOWN = (
    r"(?<!\w)(?:Mayo\sClinic|Cleveland\sClinic|Johns\sHopkins|Karolinska|Massachusetts\sGeneral|Mass\sGeneral|"
    r"MGH|Kaiser\sPermanente|MD\sAnderson|Sloan\sKettering|Mount\sSinai|Addenbrooke's|Guy's\sand\sSt|Charite|"
    r"Pitie-Salpetriere|Gustave\sRoussy|Apollo\sHospitals?|Fortis|AIIMS|Cedars-Sinai|Stanford\sHealth|UCSF|"
    r"Beth\sIsrael)(?!\w)"
)
_OTHER_HOUSE = (
    r"(?P<it>[\u4e00-\u9fff\u3040-\u30ff]{2,14}(?:医院|病院|诊所|診療所|クリニック|衛生院|卫生院|保健院|"
    r"医療センター))|[가-힣]{2,12}(?:병원|의원|"
    r"의료원)|(?:больница|больнице|больницы|клиника|клинике|клиники|ГКБ|ЦРБ|ОКБ|поликлиника|поликлинике|госпиталь|"
    r"НИИ)\s(?:им\.\s)?(?:№|No|«|\")?\s?[\dА-ЯЁ][\w-]*|(?:[А-ЯЁ][а-яё-]+(?:ая|ой|ий)\s){1,3}(?:больниц|клиник|"
    r"поликлиник)\w*|(?:مستشفى|مستشفي|عيادة|مستوصف)\s\w{2,}(?:\s\w{2,}){0,2}|"
    r"[\u0900-\u097f]+(?:\s[\u0900-\u097f]+)?\s(?:अस्पताल|चिकित्सालय|हॉस्पिटल|क्लिनिक)"
)
_COMMON_HAN = re.compile(
    r"(?:.*(?:我|外|本|当地|上级|他|该|某|在|到|去|的|于|住|入|出|当院|前医|近医|綜合|综合|专科|三甲|教学)|"
    r"人民|中心)(?:医院|病院|诊所|クリニック)|(?:당|타|본|종합|"
    r"대학|지역|다른|인근)\s?(?:병원|의원)"
)


def _house(found: re.Match[str]) -> Span | None:
    """A hospital with a name of its own: more than kinds of hospitals and departments."""
    words = re.findall(r"[\w'-]{2,}", found["it"])
    own = [w for w in words if w[0].isupper() and w.lower() not in _NOT_PLACES and not ordinary(w)]
    return found.span("it") if own else None


def _own_house(found: re.Match[str]) -> Span | None:
    if _AFTER_HOSPITAL.match(found["it"]):
        return None
    words = re.findall(r"[A-Z][\w'-]+", found["it"])[1:] or re.findall(r"[A-Z][\w'-]+", found["it"])
    return found.span("it") if any(w.lower() not in _NOT_PLACES and not ordinary(w) for w in words) else None


def _asian_house(found: re.Match[str]) -> Span | None:
    return None if _COMMON_HAN.fullmatch(found[0]) else found.span()


_KINDS = """klinikum klinik kliniken uniklinik uniklinikum krankenhaus spital practice studio praxis radiologie mvz
hopital clinique chu chru chr ch centre cabinet hospital clinica centro ospedale policlinico azienda asl casa santa
ubs upa ziekenhuis umc szpital aiims charite"""
_FAMOUS = (
    "mayo cleveland johns karolinska massachusetts mass mgh kaiser md sloan mount addenbrooke guy charite pitie "
    "gustave apollo fortis aiims cedars stanford ucsf beth"
)

RULES: tuple[Rule, ...] = (
    Rule("place", "hospital", re.compile(_HOUSE), cues_of(_HOUSES, _LOUD), reach=60, place=_house),
    Rule(
        "place",
        "hospital, its kind first",
        re.compile(_REVERSED_HOUSE),
        cues_of(_KINDS),
        ("klinik", "krankenhaus", "spital", "ziekenhuis"),
        reach=20,
        place=_own_house,
    ),
    Rule("place", "hospital of a saint", re.compile(_SAINTS), cues_of("st saint sankt sainte ste mount mt")),
    Rule("place", "hospital that all know", re.compile(_KNOWN), cues_of(_FAMOUS)),
    Rule(
        "place",
        "hospital in other scripts",
        re.compile(_OTHER_HOUSE),
        script=re.compile(r"[^\x00-\u024f]"),
        place=_asian_house,
    ),
)
