"""Fills the gaps of a template. Within one text the same gap has the same filling.

{first} {man} {woman} {last} {middle}    of a person, of any origin; {last.de} of one; {last2} of another person
{last:up} {last:low+ascii}               changed (see ``CHANGES``)
{date:%d.%m.%Y} {born:%Y-%m-%d}          a day of the last years, a day of birth (see ``_date``)
{age} {age:words} {age:de}               an age over 89
{p:AA-####}                              # a digit, A and a letters, h a hexadecimal digit; all else as it is
{town} {street} {hospital} …             of the lists in ``sites.txt``
"""

from __future__ import annotations

import datetime
import random
import re
import string
import unicodedata
from collections.abc import Callable

from scripts.gate_corpus import ages, people, places

GAP = re.compile(r"\{([a-z_]+)(\d?)(?:\.([a-z]+))?(?::([^{}]*))?\}")
DRAWN = {"#": string.digits, "A": string.ascii_uppercase, "a": string.ascii_lowercase, "h": "0123456789abcdef"}
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "abb": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "ar": "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth "
    "twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"
)
_PLAIN = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "ı": "i", "đ": "d", "Đ": "D"})
CHANGES: dict[str, Callable[[str], str]] = {
    "up": str.upper,
    "low": str.lower,
    "init": lambda text: text[:1],
    "ascii": lambda text: unicodedata.normalize("NFKD", text.translate(_PLAIN)).encode("ascii", "ignore").decode(),
    "stem": lambda text: text.split(".")[0],
    "nosep": lambda text: re.sub(r"[-_./ ^]", "", text),
    "space": lambda text: re.sub(r"[-_./^]", " ", text),
    "dash": lambda text: re.sub(r"[_./ ^]", "-", text),
    "under": lambda text: re.sub(r"[-./ ^]", "_", text),
    "dot": lambda text: re.sub(r"[-_/ ^]", ".", text),
    "arabic": lambda text: text.translate(str.maketrans(string.digits, "٠١٢٣٤٥٦٧٨٩")),
}


class Filling:
    """What is drawn for one text."""

    def __init__(self, half: str, seed: str) -> None:
        self.half, self.random = half, random.Random(seed)
        self.values: dict[str, str] = {}
        self.days: dict[str, datetime.datetime] = {}

    def fill(self, text: str) -> str:
        return GAP.sub(self._gap, text)

    def _gap(self, match: re.Match[str]) -> str:
        name, number, origin, change = match[1], match[2], match[3] or "", match[4] or ""
        if name == "p":
            return re.sub("[#Aah]", lambda m: self.random.choice(DRAWN[m[0]]), change)
        if name in ("date", "born"):
            return self._date(name, number, change)
        key = f"{name}{number}.{origin}" if origin else f"{name}{number}"
        if key not in self.values:
            self.values[key] = self._drawn(name, number, origin)
        value = self.values[key]
        if name == "age":
            return ages.say(int(value), change)
        for one in filter(None, change.split("+")):
            value = CHANGES[one](value)
        return value

    def _drawn(self, name: str, number: str, origin: str) -> str:
        if name == "age":  # odd ages are the open half's, even ones the held half's
            return str(self.random.randrange(91, 106, 2) - (self.half == "held"))
        if name in places.LISTS:
            return self.random.choice(places.some(name, origin, self.half))
        if name not in people.PARTS:
            raise KeyError(f"nothing fills the gap {{{name}}}")
        key = f"origin{number}"
        if not origin and key not in self.values:
            self.values[key] = self.random.choice(people.MIXED)
        return self.random.choice(people.some(name, origin or self.values[key], self.half))

    def _date(self, name: str, number: str, form: str) -> str:
        """strftime's codes; §de the month's name in a language, §abb in short, §ABB in capitals; §th the day as 3rd,
        §ordinal in words; §day the day of the week."""
        key = name + number
        if key not in self.days:
            first, last = (2009, 2024) if name == "date" else (1931, 2003)
            self.days[key] = datetime.datetime(
                self.random.randint(first, last), self.random.randint(1, 12), self.random.randint(1, 28),
                self.random.randint(7, 19), self.random.randint(0, 59), self.random.randint(0, 59),
            )  # fmt: skip
        when = self.days[key]
        words = {f"§{language}": names.split()[when.month - 1] for language, names in MONTHS.items()}
        words["§ABB"] = words["§abb"].upper()
        ending = "th" if 10 < when.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(when.day % 10, "th")
        words |= {
            "§th": f"{when.day}{ending}",
            "§ordinal": ORDINALS.split()[when.day - 1],
            "§day": DAYS.split()[when.weekday()],
        }
        said = when.strftime(re.sub(r"§[a-zA-Z]+", lambda m: words[m[0]], form).replace("٪", ""))
        return CHANGES["arabic"](said) if form.startswith("٪") else said
