"""What the rules for names in Latin letters share: how a name is written, and what makes one an eponym."""

from __future__ import annotations

import re
from collections.abc import Callable

from unveil.gate.rule import Rule, Span
from unveil.gate.words import listed

#: What stands between a first name and a surname.
PARTICLE = (
    r"(?:(?:van|von|der|den|de|del|della|dela|di|da|do|dos|das|du|la|le|bin|bint|ibn|al|el|ten|ter|zu|y|e|af|"
    r"av|v\.\s?d\.|v\.|v/d|'t)\s){0,3}"
)
#: One word of a name, and a whole name: initials, particles, up to four words.
WORD = r"(?:[dDlL]')?[A-Z](?>(?:[^\W\d_]|['-])*)(?![\d_])"
FULL = (
    rf"(?:[A-Z]\.[\s-]?){{0,3}}{PARTICLE}(?:[a-z]{{1,2}}[-'])?{WORD}(?:[\s]{PARTICLE}(?:al-|"
    rf"el-)?{WORD}\.?){{0,3}}"
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
artery muscle sinus cartilage exercise stretch appearance transformation capsule angina procedure
stage classification lymphocyte hinton trichrome rods pneumonia hepatitis splenectomy fusion""")
_BEHIND = re.compile(
    r"(?:'s)?\s?(?P<author>et\sal|and\s(?:colleagues|co-?workers)|-(?![\s-]))|(?:'s?)?\s(?P<of>[a-z-]+)", re.I
)


#: What an eponym is of in languages that say it before: "maladie de Horton", "segno di Blumberg".
_BEFORE = re.compile(
    r"(?:maladie|signe|segni?|signo|sinal|morbo|morbus|sindromi?e?|syndrome|doenca|enfermedad|ziekte|choroba"
    r"|objaw|fractura"
    r"|frattura|fratura|fracture|kyste|quiste|cisti?e?|cisto|lign?e|linea|line|angolo|angulo|angle|test|score"
    r"|criter\w+|criter"
    r"|classific\w+|clasific\w+|ligament\w*|triangolo|hernie|ernia|manovra|maniobra|manobra|manoeuvre|circle"
    r"|pouch|sulcus"
    r"|foramen|canal|node|nodes|ligaments|tail|sac|fossa|ductus|ganglion|tendon|trou|canale|conducto|fondo)"
    r"\s(?:de|di|du|da|do|del|della|d'|of|von|van|des|nach)\s?(?:de\s)?$",
    re.I,
)


def eponym(found: re.Match[str], end: int) -> bool:
    """Whether what stands behind a name, or before it, makes it an eponym or an author."""
    behind = _BEHIND.match(found.string, end)
    if behind is not None and (behind["author"] is not None or behind["of"].lower() in _OF):
        return True
    return _BEFORE.search(found.string[max(0, found.start() - 32) : found.start()]) is not None


_MEDICAL = re.compile(
    r"(?:oma|omas|itis|osis|ose|emia|aemia|pathy|pathie|ism|scopy|graphy|grafia|graphie|tomy|tion|sion|cion|zione"
    r"|ung|heit|keit|tat|ment|ology|ologie|gram|gramm"
    r"|us|infarkt|krebs|tumor|schlag|karzinom|carcinom|kanker|cancro|kreft|plasia|trophy|megaly|algia|rrhage"
    r"|lysis|scan|mab|nib|pril|olol|statin|azole|cillin)$"
)


def medical(word: str) -> bool:
    """Whether a word ends as diseases, examinations and drugs do."""
    return _MEDICAL.search(word.lower()) is not None


def who(found: re.Match[str], start: int, end: int) -> list[tuple[str, int, int]]:
    """The words of a place with their places, without initials and particles."""
    parts = ((part[0], part.start(), part.end()) for part in _APART.finditer(found.string, start, end))
    return [part for part in parts if part[0][0].isupper() and len(part[0].rstrip(".")) > 1]


#: Initials that are a machine's, a method's or an examination's.
NOBODY = listed(
    "AI CT MR US ML DL CNN LLM GPT SAM OCR NLP TTE TEE PET DXA HU ADC MRI CTA MRA EUS ECG EKG EEG EF LV RV KL IV PA AP"
)


def name_rule(
    name: str, pattern: str, place: Callable[[re.Match[str]], Span | None], cues: frozenset[str], reach: int = 0
) -> Rule:
    """A rule for names whose pattern heeds capitals."""
    return Rule("name", name, re.compile(pattern), cues, reach=reach, place=place)
