"""What records are known by, looked for in texts: ids, patients, studies, files and folders of everybody in a file.

Compared without case, accents, separators and ``^``. The words of a name (``DOE^JANE``, ``doe_jane.png``) count alone
as well, but not words of medicine, of our own wordings or of the records' labels, nor those that many patients share.
A short number, such as 7 or 1024, counts behind "patient", "case" and the like alone.

Texts are read once, word by word, against a set: time does not depend on how many records there are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from unveil.core import answers
from unveil.core.records import Record
from unveil.gate.plain import Plain
from unveil.gate.words import listed, ordinary

OWN, OTHERS = "identifier of the record", "identifier of another record"

_SHARED = 3  # patients: a word of more than these is a folder's or a scheme's, not a name
_LONGEST = 12  # words of a text that an identifier may be spread over
_WORD = re.compile(r"[^\W_]+")
_NAME_WORD = re.compile(r"[^\W\d_]{3,}")
#: What stands before an identifier that is short or an ordinary word.
_CUE = re.compile(
    r"(?<!\w)(?:patient|pat|pt|case|subject|study|participant|record|mrn|id|fall|cas|caso|paciente|paziente|"
    r"患者|病人|환자|пациент)"
    r"\.?\s?(?:id|no|nr|number|code|name)?\.?\s?[:=#(]?\s?$",
    re.I,
)
#: Words of ids and files that say what something is, not whose.
_OF_FILES = listed("""img pic photo pat pts subj sub ses sess anon anonymized deid deidentified file files folder data
dataset dicom dcm nii nifti png jpg jpeg tif tiff bmp test train val valid validation split part batch group set sets
raw processed original orig final new old copy export import frame slice slices vol volume series study scan scans
record records report reports image images mask masks label labels box boxes roi seg segmentation front back top
bottom crop cropped resized small large full half low high res drawn synthetic phantom demo example sample samples
unveil hospital site center centre public open source archive backup home users user mnt tmp var srv media local share
shared project projects work scratch folder1 fold version normal abnormal question questions answer answers source
none null unknown nan""")


@lru_cache(maxsize=1 << 16)
def folded(text: str) -> str:
    """A text for comparison: letters and digits alone, small, without accents."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(_WORD.findall(text.casefold()))


@dataclass(frozen=True)
class Known:
    """``certain`` identifiers count wherever they stand, ``weak`` ones behind a word such as "patient"."""

    certain: frozenset[str]
    weak: frozenset[str]
    longest: int

    @classmethod
    def of(cls, records: Iterable[Record]) -> Known:
        """What all of these are known by."""
        certain: set[str] = set()
        weak: set[str] = set()
        said = set(_own_words())
        whose: defaultdict[str, set[str]] = defaultdict(set)
        for record in records:
            said.update(word for finding in record.findings for word in _words(finding.label))
            certain.update(map(folded, _identifiers(record)))
            for name in _names(record):
                seen = whose[name]
                if len(seen) <= _SHARED:
                    seen.add(record.patient or record.image)
        certain.update(name for name, patients in whose.items() if len(patients) <= _SHARED)
        certain.discard("")
        for key in [key for key in certain if _is_weak(key, said)]:
            certain.discard(key)
            weak.add(key)
        return cls(frozenset(certain), frozenset(weak), max(map(len, certain | weak), default=0))

    def find(self, searched: Plain, record: Record | None = None) -> Iterator[tuple[int, int, str, str]]:
        """Places in the plain text with kind and rule; ``record`` is whose text it is, to tell its own from others'."""
        own: set[str] | None = None
        for start, end, key in self._places(searched.text):
            if own is None:
                own = {folded(name) for name in (*_identifiers(record), *_names(record))} if record else set()
            yield start, end, OWN if key in own else OTHERS, "what a record is known by"
        if record and folded(record.id) not in self.certain | self.weak:
            yield from Known.of([record]).find(searched, record)

    def _places(self, text: str) -> Iterator[tuple[int, int, str]]:
        words = [(folded(word[0]), *word.span()) for word in _WORD.finditer(text)]
        done = 0
        for first, (_, start, _) in enumerate(words):
            if start < done:
                continue
            for key, end in self._runs(words, first):
                if key in self.certain or (key in self.weak and _CUE.search(text, max(0, start - 24), start)):
                    yield start, end, key
                    done = end
                    break

    def _runs(self, words: list[tuple[str, int, int]], first: int) -> list[tuple[str, int]]:
        """What begins at a word: it alone and with its neighbours, longest first, as far as they stand close
        together."""
        key, end = "", words[first][1]
        runs: list[tuple[str, int]] = []
        for word, start, stop in words[first : first + _LONGEST]:
            key += word
            if start - end > 3 or len(key) > self.longest:
                break
            end = stop
            runs.append((key, end))
        return runs[::-1]


def _identifiers(record: Record) -> Iterator[str]:
    """What stands for this record as a whole."""
    for name in filter(None, (record.id, record.id.rsplit("/", 1)[-1], record.patient, record.study)):
        yield name
        yield from re.findall(r"(?<=[A-Za-z])[\W_]?(\d{5,}\w*)$", name)  # without the letters before it
    for path in filter(None, (record.image, record.source.file)):
        _, name, stem = _split(path)
        yield from (path, name, stem)


def _names(record: Record) -> Iterator[str]:
    """Parts that may name somebody: the words of a patient's name, of files and of folders, and whole folders."""
    if record.patient and not re.search(r"\d", record.patient):
        yield from _words(record.patient)
    for path in filter(None, (record.image, record.source.file)):
        folders, _, stem = _split(path)
        yield from _words(stem)
        for folder in folders:
            yield folded(folder)
            yield from _words(folder)


def _split(path: str) -> tuple[list[str], str, str]:
    """The folders of a path, its name and its name without the ending; ten times as fast as ``pathlib``."""
    *folders, name = path.replace("\\", "/").split("/")
    return folders, name, name.rpartition(".")[0] or name


@lru_cache(maxsize=1 << 12)
def _words(text: str) -> list[str]:
    """The words of three letters and more of a name, without those that belong to a number."""
    return [
        folded(word) for part in re.split(r"[\s_^.,/\\-]+", text) for word in _NAME_WORD.findall(part) if word == part
    ]


def _is_weak(key: str, said: set[str]) -> bool:
    """Whether an identifier is found in texts that do not mean it: words, short numbers, levels of the spine."""
    if key.isdigit():
        return len(key) < 5
    if len(key) < 3 or (re.fullmatch(r"[a-z]{1,2}\d{1,2}", key) and (len(key) < 4 and key[0] in "ctlsp")):
        return True
    return key in said or key in _OF_FILES or ordinary(key)


@lru_cache
def _own_words() -> frozenset[str]:
    """The words of our own questions and answers."""
    texts = [text for name, value in vars(answers).items() if name.isupper() for text in _strings(value)]
    return frozenset(folded(word) for text in texts for word in _WORD.findall(text))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | tuple | list | set | frozenset):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
