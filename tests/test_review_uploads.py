"""Images that are handed in: what comes back, and what of a hostile file does not."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.images import dicom
from unveil.core.pixels import ImageError
from unveil.review import uploads
from unveil.review.uploads import Bounds, decoded


def _png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def _announced(width: int, height: int) -> bytes:
    """A PNG whose header tells of more than it holds."""
    small = _png(np.zeros((2, 2), np.uint8))
    header = b"IHDR" + struct.pack(">II", width, height) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


def test_what_is_handed_in_comes_back_as_values_and_as_a_model_is_shown_it() -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    found = decoded(_png(grey))
    head, _, samples = found.encoded.partition(b"\n")
    assert (json.loads(head)["width"], json.loads(head)["height"]) == (8, 6)
    assert samples == grey.tobytes()
    assert np.array_equal(found.shown, grey)


@pytest.mark.parametrize(
    "content",
    [b"", b"no image at all", _png(np.eye(64, dtype=np.uint8))[:60], _announced(60_000, 60_000)],
    ids=["empty", "text", "truncated", "huge header"],
)
def test_a_hostile_file_is_refused_in_words_that_name_no_file(content: bytes) -> None:
    with pytest.raises(ImageError) as refused:
        decoded(content)
    assert "the image" in str(refused.value) and "/proc" not in str(refused.value)


def test_what_takes_too_long_is_killed() -> None:
    with pytest.raises(ImageError, match="too long"):
        decoded(_png(np.zeros((2, 2), np.uint8)), Bounds(seconds=0.01))


def test_what_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(ImageError, match="the image"):
        decoded(_png(np.zeros((2000, 2000), np.uint8)), Bounds(memory=2**20))


def test_of_dicom_no_name_and_no_date_comes_back(tmp_path: Path) -> None:
    written = tmp_path / "image.dcm"
    values = np.zeros((8, 8), np.uint16)
    dicom(written, values, PatientName="Doe^Jane", PatientBirthDate="19500102", StudyDate="20200304")
    found = decoded(written.read_bytes())
    assert found.shown.shape == (8, 8)
    assert not any(word in found.encoded for word in (b"Doe", b"19500102", b"20200304"))


def test_where_no_file_can_be_in_memory_it_is_in_a_folder_that_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    with uploads._as_file(b"content") as path:
        assert path.read_bytes() == b"content"
    assert not path.parent.exists()
