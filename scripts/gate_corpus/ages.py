"""Ages from 90 to 105 in words."""

from __future__ import annotations

_ONES = {
    "words": "zero one two three four five six seven eight nine",
    "de": "null ein zwei drei vier fünf sechs sieben acht neun",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um dois três quatro cinco seis sete oito nove",
}
_TEENS = "dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf"


def say(age: int, how: str) -> str:
    """The age in digits, or in words of a language; ``words`` is English."""
    if not how:
        return str(age)
    one = _ONES[how].split()[age % 10]
    if age >= 100:
        return _hundred(one if age % 10 else "", how)
    if how == "fr":
        return "quatre-vingt-" + _TEENS.split()[age % 10]
    tens = {"words": "ninety", "de": "neunzig", "es": "noventa", "it": "novanta", "pt": "noventa"}[how]
    if age % 10 == 0:
        return tens
    if how == "it":
        return (tens[:-1] if one[0] in "uo" else tens) + one
    return {"words": f"{tens}-{one}", "de": f"{one}und{tens}", "es": f"{tens} y {one}", "pt": f"{tens} e {one}"}[how]


def _hundred(one: str, how: str) -> str:
    if how in ("de", "it"):
        return {"de": "hundert", "it": "cento"}[how] + ("eins" if one == "ein" else one)
    whole = {"words": "one hundred", "fr": "cent", "es": "cien", "pt": "cem"}[how]
    if not one:
        return whole
    return {"words": f"one hundred and {one}", "fr": f"cent {one}", "es": f"ciento {one}", "pt": f"cento e {one}"}[how]
