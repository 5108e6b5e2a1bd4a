"""The words by which ``assertions`` reads a text: what denies, what ends a clause, what is normal, what narrows.

Regular expressions over a text whose known names are masked, one kind of trigger each.
"""

from __future__ import annotations

import re

from unveil.core.late_patterns import late

NAME, REST = "\ue000", "\ue001"  # a known name in a text that is searched for triggers: its first letter, the others


def _any(*phrases: str) -> str:
    """Any of these as words, with any space between them."""
    return rf"(?<![\w-])(?:{'|'.join(phrases)})(?![\w])".replace(" ", r"\s+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOT = r"(?:not|never|cannot|(?:is|are|was|were|do|does|did|has|have|had|ca|could|wo|would|should)n['\u2019]?t)"
_BE = r"(?:(?:to|be|been|being|yet|(?!only)\w{2,20}ly) ){0,3}"
_SEEN = (
    r"(?:seen|visible|visuali[sz]ed|identified|identifiable|detected|detectable|present|evident|found|appreciated"
    r"|demonstrated|observed|noted|recogni[sz]ed|recogni[sz]able|shown|there|here|apparent|discernible|depicted|located"
    r"|locali[sz]ed|likely|suspected|expected|perceptible|exist(?:s|ing|ent)?)"
)
_GONE = (
    r"(?:absent|ruled out|excluded|unlikely|improbable|resolved|disappeared|vanished|gone|cleared|healed|missing"
    r"|nonexistent|non-existent)"
)
_OBJECT = rf"(?! (?:an?|any(?! more| longer)|to|the|that) |\s*{NAME})"  # what follows is not what these words deny
_LITTLE = r"(?:(?:significant|interval|definite|appreciable|obvious|relevant|substantial|major|apparent|notable) ){0,3}"
TO_SUBJECT = r"(?=\s+(?:it|there|this|that|the|these|those|he|she|they|we|i)(?!\w))"  # "No it is not."
#: What may stand between a denial and the "normal" that it turns: "not entirely normal", "do not think it is normal".
GOVERNS = late(
    r"(?>(?:\s*(?<!\w)(?:an?|the|this|that|these|those|it|they|image|scan|study|lungs?|is|are|to|be|been|at|all|in|within"
    r"|quite|very|too|so|see|show|have|think|believe|say|call|look(?:s|ing)?|appears?|seems?|both|either|or|and|normal"
    r"|healthy|\w{2,20}ly)(?!\w))*)[\s-]*+",
    re.I,
)
_MORE = r"(?:larger|bigger|smaller|wider|thicker|worse|better|different|greater|more|less|fewer)"
STANDS_ALONE = (
    r"(?=\s*(?:[.,;:!?)\]\n\u3002\uff0c\uff1b\uff1a\uff01\uff1f]|\Z|[\u2013\u2014]|-\s"
    r"|[(\[][^()\[\]]{0,200}+[)\]]\s*(?:[.,;:!?\n]|\Z)|/(?=\s|normal|none|negative)))"  # "No (normal).", "No / normal"
)

#: What stands in a clause, by what it does there; where several begin in one place the first one counts.
_TRIGGERS: dict[str, str] = {
    "name": rf"{NAME}{REST}*",
    "skip": _any(
        r"(?:e\.g|i\.e|vs|approx|incl|resp|fig)\.",
        r"than normal",
        r"no(?=\.\s*\d)",  # "no. 3" is a number
        r"(?:probability|likelihood|chance|risk) of (?:an? |any )?(?:abnormality|pathology|lesions?|disease)"
        r"(?=\s*(?:[:=]|is)\s*\d)",
    ),
    # looks like a denial and is none
    "undo": _any(
        rf"{_NOT} {_BE}(?:exclude|excluded|rule out|ruled out)",
        r"(?:unable|impossible|difficult|hard|not possible) to (?:exclude|rule out)",
        r"(?:to )?rule out",
        rf"{_NOT} {_BE}(?:without|free (?:of|from)|negative for|devoid of|lacking|impossible|{_GONE})",
        r"(?:partially|partly|incompletely|nearly|almost) (?:resolved|cleared|disappeared)",
        rf"{_NOT} (?:(?:true|correct|the case) that there (?:is|are) )?no",
        rf"{_NOT} (?:previously|formerly)",
        rf"(?:(?:is|are|was|were) )?{_NOT} {_BE}{_SEEN} (?:before|previously|earlier"
        r"|(?:on|in|at) (?:(?:the|a|any) )?(?:previous|prior|earlier|last))",
        rf"{_NOT} (?:say|claim|state|conclude) (?:that )?there (?:is|are) no",
        rf"{_NOT} {_BE}(?:only|just|merely|simply|solely|necessarily|uncommon|unusual|know|known|tell|say|determine"
        r"|judge|decide|assess|answer|comment|certain|sure|easy|possible|clear (?:if|whether|what|where|how)|changed?"
        rf"|increased?|decreased?|grow|grown|enlarged?|progress(?:ed)?|{_MORE})",
        rf"no {_LITTLE}(?:change|increase|decrease|growth|progression|difference)s?",
        rf"no {_MORE}(?: than)?",
        r"no (?:doubt|question|idea|comment|answer|way)",
        rf"{_NOT} doubt",
        rf"it(?:['\u2019]s| is)? {_NOT} {_BE}clear",
        rf"without (?:a |any )?{_LITTLE}(?:doubt|question|change|growth|progression)",
        r"(?:nothing|none) (?:but|other than|else (?:but|than))",
    ),
    "other": _any(r"(?:no|without|nothing) (?:other|further|additional|else|more|second)"),
    # reaches back
    "back": _any(
        rf"(?:(?:is|are|was|were) )?(?:{_NOT}|no longer|nowhere) {_BE}(?:(?:appear|seem) (?:to be )?)?{_SEEN}{_OBJECT}",
        rf"{_GONE}{_OBJECT}",
        r"(?:is|are|was|were) negative(?! for)",
        rf"{_NOT} (?:in|on|part of) (?:the|this|that) (?:image|picture|scan|slice|frame|photograph|radiograph)",
    )
    + rf"|(?<=[{NAME}{REST}])(?:[-\s]free\b|\s+negative{STANDS_ALONE})|(?:[:=(\u2013\u2014\u2192]|(?<=\s)-+>?)\s*"
    rf"(?:(?:no|no evidence|none|absent|negative|nil|false|not {_SEEN}){STANDS_ALONE}|0(?![\d.,]\d){STANDS_ALONE})",
    # reaches forward
    "empty": r"\A\s*+(?:```\w*+\s*+)?"  # JSON that holds nothing
    r"[\[{](?>(?:\s*+(?:[\[\]{},]|\"[^\"\n]*+\"\s*+:))*)(?<=[\]}])\s*+(?:```\s*+)?\Z",
    "bare": r"(?<![\w-])(?:no|not|none|nil|nothing|negative|nowhere|n/a|not applicable|(?:is|are|was|were)n['\u2019]?t)"
    rf"{STANDS_ALONE}|"
    + _any(rf"none(?! of)|nope|nah|negative (?:study|scan|exam(?:ination)?|image|film|radiograph)|{_NOT} think so")
    + r"|\A(?:n|false)(?=\W*\Z)"
    + rf"|(?<![\w-])no{TO_SUBJECT}",
    "nothing": _any("nothing"),
    "deny": _any(
        r"neither|nor|none of|lacks?(?: of)?|lacking|absence of|without|w/o|den(?:y|ies|ied)",
        r"(?:free|clear|devoid) (?:of|from)",
        r"negative for|rul(?:es|ed|ing) out|exclud(?:es|ed|ing)|can (?:\w{2,20}ly )?(?:exclude|rule out)",
        r"(?:resolution|disappearance) of|rather than|instead of|inconsistent with|incompatible with",
        r"(?:argu|speak)(?:es|s|ing) against|(?:i|we) doubt(?: that| if| whether)?",
        rf"as opposed to|unlike|low (?:suspicion|probability|likelihood) (?:of|for)|no longer|no|{_GONE}",
    ),
    "not": _any(
        _NOT,
        r"(?:fail(?:s|ed)|unable) to"
        r"(?= (?:see|find|identify|detect|locate|visuali[sz]e|recogni[sz]e|show|demonstrate))",
        r"(?:far from|hardly|scarcely)(?= (?:ab)?normal)",
    ),
    # a clause or a sentence ends
    "again": _any(r"but (?:there (?:is|are) )?(?:one|some|others?)(?= (?:on|in|at|of|is|are|was|were) )"),
    "colon": r"[:\u2013\u2014]|(?<=\s)-(?=\s)",
    "but": _any(
        r"but|however|although|though|except(?:ing)?(?: for)?|other than|apart from|aside from|besides|save for"
        r"|nevertheless|with the exception of|rather(?! than)|instead(?! of)|beyond"
        r"|(?:only|just|merely|(?<!not\s)yet)(?= (?:an?|the|some|one|two|several|multiple) )"
    ),
    "stop": _any(
        r"whereas|while|because|since|due to|secondary to|which|who|where",
        r"(?:(?:in|within) (?:(?:an?|the|this) )?)?otherwise",
        r"(?:in|within|inside|amid|surrounded by)(?: (?:an?|the|this))?(?: (?:apparently|grossly|entirely))?"
        r"(?= normal(?! (?:limits?|range|position|location|places?|size|state|condition)(?!\w)))",
    ),
    "end": r"[.!?](?!\d)|[;\n\u3002\uff1b]",
    "comma": r",(?:\s*and(?!\w))?|(?<![\w-])and(?!\w)",
    "bracket": r"\([^()]*+\)",
    # what is said
    "yes": _any("yes") + r"|\A(?:y|true)(?=\W*\Z)",
    "abnormal": _any(
        r"abnormal|abnormally|abnormality|abnormalities|patholog(?:y|ies|ic|ical)|anomal(?:y|ies|ous)|lesions?|diseased?"
        r"|suspicious"
    ),
    "normal": _any(
        r"normal|normally|unremarkable|healthy|physiological|wnl|nad",
        r"(?:looks?|appears?|is|all) (?:fine|good|ok|okay)",
    )
    + rf"|(?<!\w)clear(?:{STANDS_ALONE}|(?= bilaterally))",
    "thing": _any(
        r"(?:findings?|anything|any|one|ones|it|them|such|evidence|signs?)"
        rf"(?! (?:of|for) [^.;,{NAME}]{{0,40}}{NAME})"  # "no sign of a cyst" denies no more than the cyst
    ),
    "verb": _any(r"is|are|was|were|has|have|shows?|measures?|lies|appears?|remains?|contains?", _SEEN),
    "unsure": _any(r"unsure|unclear|uncertain|unknown|sorry"),
}
# none begins within a word or a known name, which saves most of the search
_BEGINS = rf"(?=(?<!\w)\w|[^\w\s{REST}]|\n|\A|(?<=[{NAME}{REST}])\s)"
TOKEN = late(f"{_BEGINS}(?:{'|'.join(f'(?P<{kind}>{pattern})' for kind, pattern in _TRIGGERS.items())})", re.I)
#: A text of known names alone, with a semicolon between two: a list of findings, as most answers write it.
_ONE = rf" *+{NAME}(?>{REST}*) *+"
NAMES_ALONE = re.compile(rf"{_ONE}(?>(?:;{_ONE})*)(?:\. *+)?")
DENIALS = ("undo", "other", "back", "empty", "bare", "nothing", "deny", "not", "unsure")

# what begins a clause of its own behind a comma or "and", where a bare name would go on with a list
NEW_CLAUSE = late(
    r"\s*"
    + _any(
        r"(?:also )?(?:an?|the|there|this|that|these|those|it|they|he|she|we|i|with|some|multiple|several|few|many"
        r"|numerous|one|two|three|both|no|not|is|are|shows?|normal|unremarkable|healthy|clear|stable)"
    ),
    re.I,
)
ITS_VERB = late(  # "no cyst, lungs are clear", but not "no cyst, nodule or mass is seen"
    rf"(?![^,.;()]{{1,80}}?\sand\s[^,.;()]{{1,40}}?\s(?:(?:can|could) be|is|are|was|were) {_SEEN}\b)"
    r"(?:(?!\s(?:or|nor)\s)[^,.;()]){1,80}?"
    r"\s(?:is|are|was|were|has|have|can|cannot|could|may|shows?|normal|unremarkable)\b",
    re.I,
)
SUBJECTS = late(  # of several organs one thing is said: "The heart, lungs and bones are normal."
    r"\s*(?:the|both|heart|lungs?|mediastin\w+|bones?|liver|spleen|kidneys?|pancreas|gallbladder|brain)\b"
    r"[^.;:!?]{0,80}?\sand\s[^.;:!?,]{1,40}?\s(?:are|were|appear|look|all|both|normal|unremarkable)\b",
    re.I,
)
ARTICLE = re.compile(r"(?<!\w)an?\s", re.I)
WITH_ARTICLE = re.compile(r"\s*an?\s", re.I)
OR_LATER = re.compile(r"[^.;:!?]{1,80}?\s(?:or|nor)\s", re.I)
PASSED = re.compile(r"no longer|resolved|disappeared|vanished|gone|cleared|healed|excluded|ruled out", re.I)
NO_SUBJECT = _words(
    "it they is are was were this these but which that has have now since then and currently completely fully meanwhile"
)
ASKS = re.compile(r"\s*(?:is|are|was|were|do|does|did|has|have|can|could|what|where|which|any)\b", re.I)
YES_NEXT = re.compile(r"\s*yes\b", re.I)
DENIED_NEXT = re.compile(rf"\s*(?:no|none|not|absent|negative){STANDS_ALONE}", re.I)
WORD = re.compile(r"[^\W\d_]+")
DENYING = _words("absence absent cannot contain contains free from lack lacks neither nor without")
#: Words that narrow nothing: what is said with no others is said of all of the image.
SWEEPING = DENYING | _words(
    "no not none nothing nil negative yes normal abnormal abnormality abnormalities lesion lesions finding findings "
    "anything any everything all is are was were isn t aren wasn the this that it there an a image picture scan study "
    "examination exam radiograph film x ray ct mri region area here in of seen visible found identified detected noted "
    "present appears appear looks seems to be completely entirely totally both and i see cannot answer unremarkable "
    "healthy evidence sign signs shows show does do did has have within limits location you patient look "
    "presence clear such one ones thing nowhere anywhere applicable n am able unable find locate identify detect"
)
#: A clause of these and of sweeping words says what was looked at, or how, and nothing about it.
SETTING = _words(
    "abdomen abdominal after all also analysis angiogram answer apical ap at axial b based be been brain breast by "
    "carefully ce chest clinical closely comparison conclusion contrast coronal ct detection diagnosis dermoscopic dr "
    "endoscopic endoscopy examined examining final first for frame frontal fundus given good grayscale head history "
    "impression inspected inspection into its lateral level localisation localization looked looking mammogram me mm "
    "my new on one only our over overall pa patient photo photograph plain please portable prior quality recognition "
    "report result results reviewed reviewing sagittal second section sections shown single skin slice slices so step "
    "summary supine t technique than then third three to two ultrasound upright us view views we weighted with year old"
)
#: What is no finding where no finding is named.
BENIGN = DENYING | _words(
    "intact midline preserved patent stable unchanged flat aerated expanded symmetric symmetrical homogeneous adequate "
    "fine good ok okay sharp smooth regular"
)
#: With these a clause begins that only says where or when ("On this slice, no nodule is seen."), or why.
ASIDE = _words(
    "in on at after based compared overall to from by for as given within over under between throughout during upon "
    "regarding concerning otherwise"
)
REASONS = _words("because since due secondary which who where")
