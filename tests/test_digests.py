"""Digests of files."""

from __future__ import annotations

from pathlib import Path

from unveil.core import digests


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert digests.sha256(tmp_path / "x").startswith("ba7816bf8f01cfea")  # FIPS 180-2's own example
