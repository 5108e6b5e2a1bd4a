"""Names in the letters of India's south, of Thailand, Georgia, Armenia, Ethiopia, Greece, Israel and others.

A short run of such letters in a text in Latin ones is a name: reports are not written in two scripts, labels and
cards are. In
a text that is all in one of these scripts what stands behind a title, a label or an ending is one.
"""

from __future__ import annotations

import re
import unicodedata

from unveil.gate.rule import Rule, Span

#: Scripts whose words are written together, with the marks of their vowels.
_BLOCKS = {
    "Bengali": "\u0980-\u09e3",
    "Gurmukhi": "\u0a01-\u0a65\u0a70-\u0a75",
    "Gujarati": "\u0a81-\u0ae3",
    "Odia": "\u0b01-\u0b63",
    "Tamil": "\u0b82-\u0bd7",
    "Telugu": "\u0c00-\u0c63",
    "Kannada": "\u0c80-\u0ce3",
    "Malayalam": "\u0d00-\u0d63",
    "Sinhala": "\u0d80-\u0ddf",
    "Devanagari": "\u0900-\u0963",
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Lao": "\u0e81-\u0ecd",
    "Tibetan": "\u0f40-\u0fbc",
    "Burmese": "\u1000-\u103f\u1050-\u108f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf",
    "Ethiopic": "\u1200-\u135f",
    "Khmer": "\u1780-\u17d3",
    "Mongolian": "\u1820-\u1878",
    "Armenian": "\u0531-\u0587",
    "Hebrew": "\u05d0-\u05f4",
    "Arabic": "\u0621-\u064a\u0671-\u06d3",
    "Syriac": "\u0710-\u074a",
    "Thaana": "\u0780-\u07b1",
    "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
}
_ANY = "".join(_BLOCKS.values())
_LATIN = re.compile(r"[A-Za-z]")
_LETTERS = re.compile(f"[{_ANY}]")
#: Two letters and more of one script, up to four words; of Greek only words, no single letters as of formulas.
_SHORT = "|".join(rf"[{block}]{{2,24}}(?:[\s.'-]{{1,2}}[{block}]{{1,24}}){{0,3}}" for block in _BLOCKS.values())

#: Mr, Mrs, Miss, Dr
_TITLES = (
    # Bengali, Gurmukhi, Gujarati, Odia
    "শ্রী শ্রীমতী জনাব ডাঃ ডা. ਸ਼੍ਰੀ ਸ਼੍ਰੀਮਤੀ ਡਾ. શ્રી શ્રીમતી ડૉ. ଶ୍ରୀ ଶ୍ରୀମତୀ ଡା. "
    # Tamil, Telugu, Kannada, Malayalam
    "திரு திரு. திருமதி டாக்டர் శ్రీ శ్రీమతి డాక్టర్ డా. ಶ್ರೀ ಶ್ರೀಮತಿ ಡಾ. ശ്രീ ശ്രീമതി ഡോ. "
    # Thai, Khmer, Burmese, Georgian, Armenian, Ethiopic
    "นาย นางสาว น.ส. ด.ช. ด.ญ. นพ. พญ. แพทย์หญิง លោកស្រី ဒေါ် ბატონი ქალბატონი պարոն տիկին օրիորդ አቶ ወይዘሮ ወ/ሮ ዶ/ር "
    # Hebrew, Greek
    "מר גברת גב' ד\"ר דר' פרופ' Κος Κα Κυρία Κύριος Δρ. Δρ"
)
#: Name, surname, patient, doctor: with a colon
_LABELS = (
    "রোগী রোগীর_নাম নাম ਮਰੀਜ਼ ਮਰੀਜ ਨਾਮ દર્દી નામ ରୋଗୀ ନାମ நோயாளி பெயர் రోగి పేరు ರೋಗಿ ಹೆಸರು രോഗി പേര് නම රෝගියා "
    "ผู้ป่วย ชื่อ ชื่อ-สกุล แพทย์ ຊື່ ឈ្មោះ အမည် პაციენტი ექიმი სახელი გვარი հիվանդ պացիենտ բժիշկ անուն ազգանուն ታካሚ ስም "
    "המטופל המטופלת מטופל מטופלת החולה חולה שם אחות רופא רופאה Ασθενής Ιατρός Όνομα Ονοματεπώνυμο Επώνυμο"
)


def _plain(words: str) -> str:
    """The titles as the text that is searched spells them too: without accents."""
    kept = set()
    for word in words.replace("\u200d", "").split():
        one = word.replace("_", " ")
        kept.add(one)
        kept.add("".join(c for c in unicodedata.normalize("NFD", one) if not "\u0300" <= c <= "\u036f"))
    return "|".join(map(re.escape, sorted(kept, key=lambda word: (-len(word), word))))


_TITLED = (
    rf"(?<![{_ANY}])(?:(?:{_plain(_TITLES)})(?:\s|(?<=[\u0e01-\u0e4e.]))|(?:{_plain(_LABELS)})\s?:\s?)"
    rf"(?P<it>[{_ANY}]{{2,24}}(?:\s[{_ANY}]{{2,24}}){{0,2}})"
)
#: Surnames by their endings: -shvili, -dze, -yan, -poulos, -idis, -akis
_ENDED = (
    "(?:[\u10a0-\u10ff]{2,14}\\s)?[\u10a0-\u10ff]{2,14}(?:შვილი|შვილის|შვილმა|ძე|ძის|ძემ|იანი|ავა|უა)(?![\u10a0-\u10ff])"
    "|(?:[\u0531-\u0556][\u0561-\u0587]{2,14}\\s)?[\u0531-\u0556][\u0561-\u0587]{2,14}(?:յան|եան|յանի|յանը)(?![\u0531-\u0587])"
    "|(?:[\u0391-\u03a9][\u03b1-\u03c9]{2,14}\\s)?[\u0391-\u03a9][\u03b1-\u03c9]{1,14}(?:οπουλος|οπουλου|ιδης|ιδου|ακης|ακη|ιαδης|ιαδου|ογλου|ατος)(?![\u03b1-\u03c9])"
)
_MOST = 40  # letters of another script in a text that is Latin but for a name


def _short(found: re.Match[str]) -> Span | None:
    """A short run in a text that is mostly Latin, and no letters of a formula."""
    text, run = found.string, found[0]
    if re.match("[\u0370-\u052f]", run) and not (run[0].isupper() and len(run) > 3):
        return None  # Greek and Cyrillic have capitals
    near = text[max(0, found.start() - 200) : found.end() + 200]
    others, latin = len(_LETTERS.findall(near)), len(_LATIN.findall(near))
    return found.span() if others <= _MOST and latin > others else None


def _titled(found: re.Match[str]) -> Span | None:
    return found.span("it")


RULES: tuple[Rule, ...] = (
    Rule("name", "name in other letters in a Latin text", re.compile(_SHORT), script=_LETTERS, place=_short),
    Rule("name", "name behind a title in other letters", re.compile(_TITLED), script=_LETTERS, place=_titled),
    Rule("name", "surname by its ending in other letters", re.compile(_ENDED), script=_LETTERS),
)
