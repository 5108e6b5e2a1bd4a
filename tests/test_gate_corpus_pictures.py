"""The pictures that the privacy gate is measured with: as many as promised, the same each time, in halves apart."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scripts.gate_corpus import pictures
from scripts.gate_corpus.fresh import pictures as fresh
from scripts.gate_corpus.pictures_codes import ean13, qr
from scripts.gate_corpus.pictures_letters import FOLDER, joined
from unveil.core import image_files, pixels

pytestmark = pytest.mark.skipif(
    not (FOLDER / "dejavu").is_dir() or not (FOLDER / "liberation").is_dir(),
    reason="needs fonts-dejavu and fonts-liberation",
)


def test_counts():
    known = list(pictures.all_pictures(3))
    identifying = Counter((picture.task.half, picture.identifying) for picture in known)
    assert identifying["open", True] + identifying["held", True] >= 230
    assert identifying["open", False] + identifying["held", False] >= 70
    assert abs(identifying["open", True] - identifying["held", True]) <= 5
    for half in pictures.HALVES:
        kinds = Counter(picture.kind for picture in known if picture.task.half == half)
        other = {picture.kind for picture in known if picture.task.half != half}
        alone = sum(count for kind, count in kinds.items() if kind not in other)
        assert 0.1 <= alone / kinds.total() <= 0.2


def test_pictures_made_after_the_finder():
    """160 without letters of 20 kinds and 130 with somebody's data of 13; each is drawn the same again."""
    counts = Counter(group for _, group, count, _ in fresh.KINDS for _ in range(count))
    assert counts == {"letterless": 160, "identifying": 130}
    assert len({name for name, group, _, _ in fresh.KINDS if group == "letterless"}) == 20
    for name, _, _, function in fresh.KINDS[::12]:
        assert np.array_equal(fresh.drawn(name, 0, function), fresh.drawn(name, 0, function))


def test_kinds_tell_whether_words_are_there():
    """Identifying pictures have words; of the others those of "no letters" have none."""
    for picture in pictures.all_pictures(3):
        assert bool(picture.task.lines) == (not picture.kind.startswith("no letters: "))
        prefixes = ("no letters: ", "marks: ", "words that name nobody: ")
        assert picture.kind.startswith(prefixes) == (not picture.identifying)


@pytest.mark.parametrize("seed", range(5))
def test_halves_share_no_word_of_three_letters(seed: int):
    words: dict[str, set[str]] = {half: set() for half in pictures.HALVES}
    for picture in pictures.all_pictures(seed):
        for line in picture.task.lines:
            words[picture.task.half] |= {word.casefold() for word in re.findall(r"[^\W\d_]{3,}", line)}
    assert not words["open"] & words["held"]


def test_one_of_each_kind_opens_and_is_the_same_again(tmp_path: Path):
    """Of each kind but the large ones the first picture; every fourth is drawn twice, byte for byte."""
    seen = set()
    for first, again in zip(pictures.all_pictures(1), pictures.all_pictures(1), strict=True):
        if first.kind in seen or "2048" in first.kind or "1024" in first.kind:
            continue
        seen.add(first.kind)
        drawn = first.draw()
        path = tmp_path / f"picture.{drawn.ending}"
        path.write_bytes(drawn.content)
        assert pixels.to_rgb(image_files.read(path)).std() > 0.05, first.kind
        if len(seen) % 4 == 0:
            assert again.draw() == drawn, first.kind


def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A row per file, with the fields that the measurement reads."""
    some = [picture for picture in pictures.all_pictures(1) if "DICOM SC" in picture.kind or "Arabic" in picture.kind]
    monkeypatch.setattr(pictures, "all_pictures", lambda seed: iter(some))
    pictures.write(tmp_path, 1)
    rows = [json.loads(line) for line in (tmp_path / "images.jsonl").read_text().splitlines()]
    assert len(rows) == len(some) == 10
    assert {row["file"] for row in rows} == {f"images/{file.name}" for file in (tmp_path / "images").iterdir()}
    assert set(rows[0]) == {"id", "half", "file", "kind", "modality", "identifying", "words"}


def test_qr_of_version_1():
    """ "HI" in byte mode takes version 1: 21 modules a side, three finders of 33 dark modules each; of the 7 x 7 at the
    top left the ring has 24 and the core 9. Level L and mask 0 have the format 111011111000100 (ISO/IEC 18004, table
    C.1), whose highest bit stands first along row 8."""
    code = qr("HI")
    assert code.shape == (21, 21)
    assert code[:7, :7].sum() == code[:7, -7:].sum() == code[-7:, :7].sum() == 24 + 9
    assert "".join(map(str, code[8, [0, 1, 2, 3, 4, 5, 7]])) == "1110111"


def test_ean13():
    """4006381333931: 3 + 42 + 5 + 42 + 3 modules; the first digit 4 has the parity LGLLGG, so 0 0 start as L and G."""
    code = "".join(map(str, ean13("400638133393")))
    assert len(code) == 95
    assert code[3:17] == "0001101" + "0100111"


def test_arabic_is_joined():
    """Two lams and an alif: initial, medial and final forms, the last letter first on the line."""
    assert joined("للا") == "\ufe8e\ufee0\ufedf"
