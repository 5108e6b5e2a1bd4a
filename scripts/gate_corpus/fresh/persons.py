"""Invented people, and how consoles, stickers and hands write them."""

import unicodedata
from dataclasses import dataclass

import numpy as np

_LAST = [
    "Abendroth",
    "Brückner",
    "Castellano",
    "Dvořák",
    "Engström",
    "Fairweather",
    "Grünwald",
    "Haverkamp",
    "Iwanowa",
    "Jørgensen",
    "Kowalczyk",
]
_LAST += [
    "Lindqvist",
    "Mbeki",
    "Nakamura",
    "Öztürk",
    "Petrosyan",
    "Quiroga",
    "Rasmussen",
    "Szymański",
    "Thibault",
    "Underhill",
    "Vandamme",
]
_LAST += [
    "Wetherby",
    "Yıldırım",
    "Zimmerli",
    "Okonkwo",
    "Halvorsen",
    "Marchetti",
    "Pfannstiel",
    "Delacroix",
    "Ostrander",
    "Kessler",
    "Bhattacharya",
]
_FIRST = [
    "Adele",
    "Bjarne",
    "Camille",
    "Dorothea",
    "Emre",
    "Fiona",
    "Gunther",
    "Helene",
    "Ismail",
    "Jolanta",
    "Katarzyna",
    "Leopold",
    "Mireille",
    "Noah",
]
_FIRST += [
    "Odile",
    "Pavel",
    "Quentin",
    "Rosalind",
    "Sigrid",
    "Tomasz",
    "Ursula",
    "Viktor",
    "Wilhelmina",
    "Xenia",
    "Yasmin",
    "Zoran",
    "Hanna",
    "Matteo",
    "Ingrid",
]
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_PLACES: tuple[str, ...] = (
    "Kreisklinik Nordau",
    "St. Anselm Hospital",
    "CHU Valmont",
    "Röntgenpraxis Seefeld",
    "City Imaging Centre",
)
_PLACES += ("Szpital Miejski", "Harbour General", "Klinikum Altstadt")


def plain(text: str) -> str:
    """The text in ASCII, as faces need it that have no other letters."""
    text = text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O").replace("ı", "i").replace("ł", "l")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


@dataclass(frozen=True)
class Person:
    """What a picture may tell of somebody, and of the day it was taken."""

    first: str
    last: str
    number: str
    born: str
    sex: str
    age: int
    day: str
    hour: str
    place: str


def _day(rng: np.random.Generator, low: int, high: int, form: int) -> tuple[str, int]:
    year, month, day = int(rng.integers(low, high)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    forms = [f"{day:02}.{month:02}.{year}", f"{month:02}/{day:02}/{year}", f"{year}-{month:02}-{day:02}"]
    forms += [f"{day:02}-{_MONTHS[month - 1]}-{year}", f"{year}{month:02}{day:02}", f"{day}.{month}.{year % 100:02}"]
    return forms[form], year


def person(rng: np.random.Generator) -> Person:
    """Somebody invented."""
    form = int(rng.integers(6))
    born, year = _day(rng, 1926, 2019, form)
    day, seen = _day(rng, 2019, 2026, form)
    digits = int(rng.integers(10**6, 10**8))
    number = [
        f"{digits}",
        f"{digits:010}",
        f"P{digits % 10**6:06}",
        f"{digits // 100}-{digits % 100:02}",
        f"MRN{digits}",
    ]
    hour = f"{int(rng.integers(6, 23)):02}:{int(rng.integers(60)):02}:{int(rng.integers(60)):02}"
    return Person(
        str(rng.choice(_FIRST)),
        str(rng.choice(_LAST)),
        number[int(rng.integers(len(number)))],
        born,
        str(rng.choice(["M", "F", "W"])),
        max(seen - year, 0),
        day,
        hour,
        str(rng.choice(_PLACES)),
    )


def named(rng: np.random.Generator, who: Person) -> str:
    """The name in one of the orders in which consoles write it."""
    forms = [f"{who.last}, {who.first}", f"{who.last.upper()}, {who.first.upper()}", f"{who.first} {who.last}"]
    forms += [
        f"{who.last.upper()}^{who.first.upper()}",
        f"{who.last} {who.first[0]}.",
        f"{who.last.upper()} {who.first}",
    ]
    return forms[int(rng.integers(len(forms)))]


def lines(rng: np.random.Generator, who: Person, most: int = 4) -> list[str]:
    """One to `most` lines; the first always says who it is, by name, or by number and date of birth."""
    birth = str(rng.choice(["DOB: ", "*", "geb. ", "born ", "Geb.-Dat. ", "D.O.B. ", ""])) + who.born
    number = str(rng.choice(["ID: ", "Pat-ID ", "MRN ", "#", "", "Nr. "])) + who.number
    head = named(rng, who) if rng.random() < 0.8 else f"{number} {birth}"
    rest = [birth, number, f"{who.sex} {who.age}Y", who.place, f"{who.day} {who.hour}", f"{who.sex}, {who.born}"]
    count = int(rng.integers(0, most))
    chosen = sorted(rng.choice(len(rest), count, replace=False, p=[0.27, 0.27, 0.1, 0.12, 0.14, 0.1]))
    return [head, *(rest[index] for index in chosen)]


def settings(rng: np.random.Generator) -> list[str]:
    """What a console says of the exposure."""
    pool = [f"kV {int(rng.integers(70, 140))}", f"mA {int(rng.integers(50, 400))}", f"SL {rng.uniform(0.5, 5):.1f} mm"]
    pool += [f"W {int(rng.integers(80, 2000))} L {int(rng.integers(20, 500))}", f"FOV {int(rng.integers(160, 420))}"]
    pool += [f"TR {int(rng.integers(400, 9000))} TE {int(rng.integers(8, 120))}", f"Im {int(rng.integers(1, 200))}"]
    pool += [f"MI {rng.uniform(0.5, 1.6):.1f} TIs {rng.uniform(0.1, 1.2):.1f}", f"Zoom {int(rng.integers(90, 220))}%"]
    return [pool[index] for index in rng.choice(len(pool), int(rng.integers(1, 5)), replace=False)]
