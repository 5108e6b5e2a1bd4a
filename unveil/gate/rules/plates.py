"""Plates of cars: by the forms that countries give them, beside a word of vehicles or alone where nothing else looks
so.

A text about a crash has numbers of its own ("GCS 15", "L4 L5", "ISS 25"); letters of scores, units, techniques and
vertebrae are told apart here.
"""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, after, alternatives, compiled, cues_of
from unveil.gate.units import MEASURED
from unveil.gate.words import listed

#: Letters that stand beside numbers in reports: no part of a plate that stands alone.
_TECHNICAL = listed(
    """CT MR PT US XR DX CR NM MG PET SPECT MRI CTA MRA MIP MPR TR TE TI FA FS SE GE GRE TSE FSE IR TOF BW NEX ETL AP PA
    LL RL LR SI ML IS RT LT KV KVP MA MAS HU GY MGY CM MM KG MG UG NG PG MBQ GBQ HZ MHZ MS MIN SUV GCS ISS AIS NIHSS ASA
    ECOG WHO TNM FIGO AJCC LAD LCX RCA CAD ICA MCA ACA PCA IVC SVC ICU ER ED BP HR RR WBC HB PLT CRP INR PSA CEA AFP LV
    RV EF VCI DWI ADC FLAIR STIR BMI LOT REF ISO IEC DIN CE FDA ICD CPT DRG OPS LOINC RID BI PI LI RADS TH PD AAA AV VA
    VT VF AF IM IV PO SC BD OD OS CD HLA IGG IGA IGM PH DNA RNA HIV HCV HBV EBV CMV HPV COVID GB MB TB RAM GPU CPU DPI
    AO OTA ST MVA MVC RTA RTC MPH KMH BIT JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC MAI JUIN OKT DEZ AM PM AND
    THE FOR"""
)
#: Letters before which two figures and three letters are no plate either.
_TECHNIQUES = listed("CT MR PT US XR CR DX NM TR TE TI IM SE CD HP PD")
_UNITS = listed(
    "MPH KMH KM BIT KV KVP MA MAS HU GY CGY MGY CM MM KG MG UG NG MBQ GBQ HZ MHZ MS MIN ML FR GB MB TB DPI AM PM TE TI"
)
_STATES = "(?:AP|AR|AS|BR|CG|CH|DD|DL|GA|GJ|HP|HR|JH|JK|KA|KL|LA|LD|MH|ML|MN|MP|MZ|NL|OD|OR|PB|PY|RJ|SK|TN|TS|UK|UP|WB)"
_COUNTIES = "(?:CE|CN|CW|C|DL|D|G|KE|KK|KY|LD|LH|LK|LM|LS|L|MH|MN|MO|OY|RN|SO|TN|TS|T|WD|WH|WW|WX|W)"
#: Forms that are a plate's wherever they stand.
_SURE = rf"""(?<![\w./-])(?:
    (?!CT|MR|TR|TE|PT|SE|IM|XR|US)[A-HJ-PR-Y]{{2}}(?:[0-2]\d|[5-7]\d)\ ?[A-HJ-PR-Z]{{3}}   # AV17 KXR, United Kingdom
  | [A-HJ-NP-TV-Z]{{2}}-\d{{3}}-[A-HJ-NP-TV-Z]{{2}}                                        # FK-208-ZR, France, Italy
  | [B-DF-HJ-NP-TV-Z]-\d{{3}}-[B-DF-HJ-NP-TV-Z]{{2}} | [B-DF-HJ-NP-TV-Z]{{2}}-\d{{3}}-[B-DF-HJ-NP-TV-Z]  # F-417-ZB
  | \d{{1,2}}-[B-DF-HJ-NP-TV-Z]{{3}}-\d{{1,2}} | \d{{1,2}}-[B-DF-HJ-NP-TV-Z]{{2}}-[B-DF-HJ-NP-TV-Z]{{2}}  # Netherlands
  | [A-Z]{{2}}-\d\d-[A-Z]{{2}}                                                              # Portugal, Netherlands
  | [A-Z]{{1,3}}-[A-Z]{{1,2}}\ ?\d{{3,4}}[EH]?                                              # HH-QW 4093, Germany
  | {_STATES}[\ -]?\d{{1,2}}[\ -]?[A-HJ-NP-Z]{{1,3}}[\ -]?\d{{4}}                           # KA 05 XZ 7716, India
  | \d\d\ ?BH\ ?\d{{4}}\ ?[A-Z]{{1,2}}
  | \d-[A-Z]{{3}}-\d{{3}} | (?:\d\d[12]|[089]\d)-{_COUNTIES}-\d{{1,6}}                       # Belgium, Ireland
  | [ABEIKMHOPCTX]{{2}}\ ?\d{{4}}\ ?[ABEIKMHOPCTX]{{2}}                # Ukraine
  | [ABEKMHOPCTYX]\ ?\d{{3}}\ ?[ABEKMHOPCTYX]{{2}}\ ?\d{{2,3}}                               # Russia
  )(?![\w/-]|\.\d)"""

_EAST = (
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z]\W?[A-Z0-9]{5,6}(?!\w)|"
    r"(?<!\d)\d{2,3}\s?[ぁ-ん]\s?\d{2}-\d{2}(?!\d)|(?<!\d)\d{2,3}[가-힣]\s?\d{4}(?!\d)"
)
#: Words of vehicles and plates in many languages; "van" and "auto" are other words too, and stand in another rule.
_VEHICLES = """car cars truck lorry motorbike motorcycle motorhome scooter moped auto turismo matatu bakkie rickshaw
tuktuk okada skilt masina unfallgegner
plate_read plate_reads plate_reading plate_shows plates_read plate_was
rejestracja rejestracje transit hatchback taxi cab bus minibus coach ute suv_reg
pickup jeep vehicle rego vrn number_plate licence_plate license_plate numberplate vanity_plate reg_no reg_plate
registration_plate car_reg vehicle_reg dashcam
toyota honda skoda vw volkswagen bmw audi mercedes ford opel vauxhall renault peugeot citroen fiat seat hyundai kia
nissan
mazda volvo tesla suzuki yamaha kawasaki vespa tata mahindra maruti chevrolet dacia lexus subaru mitsubishi
kfz pkw lkw wagen auto_mit kennzeichen nummernschild fahrzeug motorrad roller unfallwagen
plaque immat immatriculation immatricule immatriculee voiture vehicule camion moto motocyclette camionnette
matricula placa placas patente coche camion camioneta furgoneta motocicleta carro
targa targhe targata targato macchina autovettura furgone camion motorino motociclo
veiculo caminhao onibus carrinha viatura
kenteken kentekenplaat scootmobiel scootmobile vrachtwagen bestelbus wagen bromfiets
rejestracyjny rejestracyjne rejestracyjnych rej samochod samochodu pojazd ciezarowka motocykl tablica tablice
regnr reg_nr registreringsnummer registreringsskylt skylt bil bilen lastbil motorcykel nummerplate nummerskilt regskylt
plaka plakali plakasi arac araba otomobil kamyon motosiklet taksi minibus kamyonet
spz ecv rendszam poznavaci numar_inmatriculare auto_nr"""
_LOOSE = r"""(?-i:
    [A-Z]{1,3}[\ -]?\d{1,4}[\ -]?[A-Z]{1,3}(?:[\ -]?\d{1,4})?     # BX 417 ZR, KL 07 CX 4417, SV 12345X
  | [A-Z]{1,3}[\ -][A-Z]{1,2}[\ -]?\d{1,4}[A-Z]?                  # K-XY 17, M AB 1234
  | \d{1,4}[\ -]?[A-Z]{1,3}(?:[\ -]?\d{1,4})?                     # 34 KZR 208, 4417 KXR, 7KXR417
  | \d[A-Z]\d\ ?\d{4} | [A-Z]{2}\ \d{2}\ \d{3} | [A-Z]{2,3}\ ?\d{3}-\d{3}
  | \d[A-Z]{2}[\ -]?\d[A-Z]{2}                                    # 1QX-7PD
  | [A-Z]{2,3}\ ?[A-Z0-9]\d[A-Z0-9]{2,3} | [A-Z]{2,3}[\ -]\d{2,6}[A-Z]?  # WX 4417K, KR 8X417, KXR 41A
  )"""
_BEHIND_WORD = (
    rf"(?<![^\W_]){alternatives(_VEHICLES)}(?![^\W\d_])[^\n]{{1,48}}?(?<![\w./-])(?P<it>{_LOOSE})(?![\w/-]|\.\d)"
)
_BEFORE_WORD = (
    rf"(?<![\w./-])(?P<it>{_LOOSE})(?![\w/-]|\.\d)[\s,(:]{{1,3}}(?:(?:on|is|the|his|her|a|blue|red|grey|gray|white|"
    rf"black|silver|green|ist|der|das|die|sur|la|le|su|el|il|na|een|de)\s){{0,3}}(?:{alternatives(_VEHICLES)}|registered\sto|registrerad|registrert|registreret|zugelassen\sauf)(?!\w)"
)

_CARS = (
    "car van vehicle taxi truck lorry motorbike motorcycle scooter auto wagen voiture coche moto reg "
    "registration plate plates kennzeichen pkw lkw"
)
_BESIDE = (
    rf"(?<!\w){alternatives(_CARS)}\.?:?\s(?:(?:reg|no|number|plate|reads|reading|with|plates?|registered|is|was|mit|"
    rf"kennzeichen)\.?:?\s){{0,3}}(?P<it>(?-i:[A-Z]{{1,3}}[\s-]?[A-Z]{{0,2}}[\s-]?\d{{1,4}}[\s-]?[A-Z]{{0,3}}(?:["
    rf"\s-]?\d{{1,4}})?))(?!\w)"
)


def _apart(plate: str) -> list[str]:
    return re.findall(r"[A-Z]+", plate)


def _sure(found: re.Match[str]) -> Span | None:
    """Not a technique and a value: "PET-CT 640", "AP-120-PA", and no name of a month."""
    first, *rest = _apart(found[0])
    british = re.fullmatch(r"[A-Z]{2}\d\d ?[A-Z]{3}", found[0]) and first not in _TECHNIQUES
    if (
        (first in _TECHNICAL and not british)
        or (set(rest) & _TECHNICAL and not re.search(r"-\d\d\d?-", found[0]))
        or MEASURED.match(after(found, 12))
    ):
        return None
    return found.span()


def _beside(found: re.Match[str]) -> Span | None:
    """Five to ten signs with two digits and two letters, that are no score, no vertebra and no time."""
    plate = found["it"]
    signs = re.findall(r"[A-Z0-9]", plate)
    named, unit = re.findall(r"[A-Z]+(?=[ -]?\d)", plate), re.findall(r"(?<=\d)[ -]?([A-Z]+)", plate)
    digits = sum(sign.isdigit() for sign in signs)
    rest = found.string[found.end("it") : found.end("it") + 12]
    if not 5 <= len(signs) <= 10 or digits < 2 or len(signs) - digits < (1 if len(signs) > 6 else 2):
        return None
    vertebrae = re.fullmatch(r"[CTLSD]\d{1,2}(?:[ -][CTLSD]\d{1,2})+", plate)
    technical = set(named) & _TECHNICAL or (set(unit) & _UNITS and len(unit) == 1)
    return None if technical or vertebrae or MEASURED.match(rest) else found.span("it")


def _named(found: re.Match[str]) -> Span | None:
    """Right behind the word for it, where four signs are enough."""
    plate = found["it"]
    if sum(c.isdigit() for c in plate) < 2 or len(plate) < 5:
        return None
    vertebrae = re.search(r"[CTLS]\d{1,2} ?[CTLS]\d", plate)
    return None if vertebrae or set(re.findall(r"[A-Z]+(?=[ -]?\d)", plate)) & _TECHNICAL else found.span("it")


RULES: tuple[Rule, ...] = (
    Rule("vehicle", "plate of a car", compiled(_BESIDE), cues_of(_CARS), place=_named),
    Rule("vehicle", "plate of a country", compiled(_SURE, cased=True), numbers=True, reach=7, place=_sure),
    Rule("vehicle", "plate of East Asia", compiled(_EAST), numbers=True, reach=4),
    Rule("vehicle", "plate behind a vehicle", compiled(_BEHIND_WORD), cues_of(_VEHICLES), place=_beside),
    Rule(
        "vehicle",
        "plate before a vehicle",
        compiled(_BEFORE_WORD),
        cues_of(_VEHICLES, "registered registrerad registrert registreret zugelassen"),
        reach=36,
        place=_beside,
    ),
)
