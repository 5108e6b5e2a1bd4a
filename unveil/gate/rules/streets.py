"""Streets and postcodes of more countries than ``places`` has."""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, compiled, cues_of
from unveil.gate.words import harmless, words

_ENDINGS = (
    "gatan vagen gata gaten gade vej veien stigen stien plass torget torg katu tie kuja straede alle "
    "sokagi sokak caddesi cad sok mahallesi mah bulvari utca ut utja ter namesti nabrezi ulice"
)
_ENDED = """gatan vagen gata gaten gade vej veien vegen stigen stien torget katu tie kuja straede plassen dijk singel
hof
steeg stieg steig pfad graben berg hohe"""
_MORE_STREETS = (
    r"(?<!\w)(?-i:[A-Z])[\w-]{2,24}(?:gatan|vagen|gata|gaten|gade|vej|veien|vegen|stigen|stien|torget|"
    r"katu|tie|kuja|straede|plassen|dijk|singel|hof|steeg|"
    r"stieg|steig|pfad|graben|berg|hohe)\s\d{1,4}\s?[a-z]?(?![\w.]\d|\w|\s?(?:mm|cm|ml|%|x))|"
    r"(?<!\w)(?-i:[A-Z])[\w-]{2,24}\s(?:sokagi|sokak|sok\.|caddesi|cad\.|cd\.|mahallesi|mah\.|bulvari|"
    r"utca|utja|namesti|nabrezi|ulice|prospekt)(?:[,\s]{1,2}(?:no:?\s?)?\d{1,4}[a-z]?)?|"
    r"(?<!\w)(?:ul\.|ulica|ulice|al\.|os\.|pl\.|str\.|strada|calea|bd\.|bulevardul|jl\.?|jalan|lorong|"
    r"persiaran|duong|pho|odos|leoforos|"
    r"psj\.?|pasaje|cl\.|cll|kra|diagonal|transversal|trav\.|lgo\.)\s(?:(?:de|la|del|los|las|d[aeo]s?|"
    r"nguyen|le)\s){0,2}(?-i:[A-Z])[\w.-]*+(?:\s(?-i:[A-Z])[\w.-]*+){0,3},?\s"
    r"(?:nr\.?\s?|no\.?\s?|n\.?\s?|\#\s?)?\d{1,4}(?:[/-]\d{1,4})?|"
    r"(?<!\w)(?:plot|flat|house|apt|apartment|lot|villa|shop|"
    r"site)\s(?:no\.?\s?)?\#?\d{1,4}[a-z]?,\s?(?:block|phase|sector|street|st\.|road|rd|lane|floor|near|"
    r"(?-i:[A-Z][\w'-]+))"
    r"(?:\s?[\w-]{1,20}){0,4}|"
    r"(?<!\w)(?:sector|phase|block|street|gali|ward\sno|mohalla|house|kebele|woreda|barangay|brgy|purok|"
    r"poblacion|sitio)\.?\s(?:no\.?\s)?[\w-]{1,5},\s(?-i:[A-Z])[\w'-]{3,}(?:[\s-](?-i:[A-Z])\w+){0,2}"
)
_MORE_CODES = (
    r"(?<!\w)(?:eircode|wooncode|postnr\.?|postnummer|psc|irsz\.?|cod\spostal|posta\skodu|kode\spos|"
    r"kod\spocztowy|pin|zip|plz|npa|cap|cp|cep)\s?[:.#]?\s?"
    r"(?P<it>[A-Z]?\d{2,6}(?:[\s-]?[A-Z0-9]{2,4})?)(?!\w)|"
    r"(?<![\w-])(?-i:[AC-FHKNPRTV-Y]\d[\dW]\s[0-9AC-FHKNPRTV-Y]{4})(?!\w)|"
    r"(?<![\w.-])\d{2}-\d{3}\s(?-i:[A-Z])[a-z]{2,}|(?<![\w.-])\d{3}\s\d{2}\s(?-i:[A-Z])[a-z]"
    r"{3,}(?!\s?\w*:)|(?<![\w.-])\d{4}\s(?!HU|MM|CM|ML|MG|KV|MA|HZ|IU|IE|UI|GY|BC|AD|CE)(?-i:[A-HJ-NP-Z]{2})(?=[,;.]|$)|"
    r"(?<!\w)(?-i:[2-9CFGHJMPQRVWX]{4,8}\+[2-9CFGHJMPQRVWX]{2,3})(?!\w)"
)
_CODE_WORDS = "eircode wooncode postnr postnummer psc irsz cod posta kode kod pin zip plz npa cap cp cep"


def _code(found: re.Match[str]) -> Span | None:
    """A code of the post; behind it a town and not a word of medicine."""
    town = re.search(r"\s([A-Z][a-z]+)$", found[0])
    return None if town and harmless(town[1]) else (found.span("it") if found["it"] else found.span())


_STREETS_BEGIN = """ul ulica ulice al os pl str strada calea bd bulevardul jl jalan lorong persiaran duong pho odos
leoforos psj pasaje cl
cll kra diagonal transversal trav lgo plot block flat house unit apt apartment lot villa shop site sector phase
street gali ward mohalla
kebele woreda barangay brgy purok poblacion sitio"""


def _more(found: re.Match[str]) -> Span | None:
    """A street of which not every word is one of medicine."""
    names = re.findall(r"(?<![\w])[A-Z][\w'-]{2,}", found[0])
    kinds = ("Block", "Unit", "Phase", "Sector", "Street", "House", "Flat", "Plot")
    return (
        None
        if names and all(harmless(w) or w in kinds or w.lower() in words("not_places") for w in names)
        else found.span()
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "place",
        "street, more countries",
        compiled(_MORE_STREETS),
        cues_of(_STREETS_BEGIN, _ENDINGS),
        tuple(_ENDED.split()),
        reach=26,
        place=_more,
    ),
    Rule(
        "place",
        "postcode, more countries",
        compiled(_MORE_CODES),
        cues_of(_CODE_WORDS),
        numbers=True,
        reach=1,
        place=_code,
    ),
)
