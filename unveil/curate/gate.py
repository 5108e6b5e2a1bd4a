"""What may leave this machine, and the record of what did.

Nothing is sent to another machine before it has passed here: who owns the image and under which licence, what stands in
the text, what is burned into the pixels. A server on the loopback address is this machine, and nothing is checked.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import ipaddress
import json
import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unveil import pixels
from unveil.curate.expert import ExpertError, Request
from unveil.records import Record

# --------------------------------------------------------------------------------------------------------- addresses

# Written out so that nothing else can read another host from it; a user's name or a key has no place in it.
_ADDRESS = re.compile(r"https?://(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?P<port>:\d+)?(?:/[\w./~-]*)?", re.A)


def host_of(address: str, allow_remote: bool, option: str = "--expert", prefix: str = "--") -> str:
    """Host and port of an address that may be asked; raises for one on another machine unless that is allowed.

    ``option`` is where the address was given, and ``prefix`` what options beside it begin with, for the message.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:  # the address is not repeated: a key may stand in it
        raise ExpertError(
            f"{option}: an address is http(s)://HOST:PORT/PATH, such as http://127.0.0.1:8000/v1, without user, key or "
            f"query; a key is read from the environment variable that {prefix}key-variable names"
        )
    if not (is_here(found["host"]) or allow_remote):
        raise ExpertError(
            f"{found['host']} is another machine: images and texts would leave this one. See what with "
            f"{prefix}dry-run, and allow it with {prefix}allow-remote"
        )
    return found["host"] + (found["port"] or "")


def is_here(host: str) -> bool:
    """Whether a host (with or without a port) is this machine by its very name."""
    name = re.sub(r":\d+$", "", host) if not host.endswith("]") else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


# -------------------------------------------------------------------------------------------------------------- text

_TITLE = r"(?:Dr|Prof|Mr|Mrs|Ms|Miss|Mme|Herr|Frau)\b\.?|DR\.|MR\.|MRS\."

#: What identifies a person in a text. The name of a pattern is told, the text never.
PATTERNS: dict[str, re.Pattern[str]] = {
    "date of birth": re.compile(r"\b(?:d\.?o\.?b\b|date of birth|birth ?date|born (?:on|in)\b)", re.I),
    "date": re.compile(
        r"\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))\b"
        r"|\b\d{1,2}(?:st|nd|rd|th)?\.? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?,? \d{4}\b"
        r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}\b",
        re.I,
    ),
    "age over 89": re.compile(r"\b(?:9\d|1[01]\d)[ -]?(?:years?|yrs?|y/?o)\b", re.I),
    "phone number": re.compile(
        r"\b(?:tel|phone|telephone|fax|mobile|pager)\b\W{0,3}\+?[\d(]|\+\d[\d ()/.-]{7,}\d"
        r"|(?<!\d)\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)|\b0\d{2,4}[ /-]\d{4,}",
        re.I,
    ),
    "e-mail": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "record number": re.compile(
        r"\b(?:mrn|accession|medical record|(?:patient|hospital|case) (?:id|no|number)|nhs|ssn)\b"
        r"[^\w\n]{0,4}(?:(?:no|number|id)\b[^\w\n]{0,3})?\w*\d|\b\d{3}-\d{2}-\d{4}\b|(?<![\w.])[A-Z]{0,4}-?\d{6,}\b"
        r"|\b[A-Z]{1,4}-?\d{5,}\b|\b\d+(?:\.\d+){4,}\b",
        re.I,
    ),
    "patient": re.compile(
        r"(?:^|[.;,])[^\S\n]*(?:patient|pt)(?: name)?\s*[:=]|\bpatient(?:['’]s)? name\b"
        r"|\bpatient\s*[:=]\s*(?-i:[A-Z0-9])",
        re.I | re.M,
    ),
    "titled name": re.compile(rf"\b(?:{_TITLE})\s*[A-Z][\w'’-]+"),
}


def identifying(text: str, record: Record | None = None) -> str | None:
    """The name of what identifies somebody in a text: a pattern, or what the record itself is known by."""
    for name, pattern in PATTERNS.items():
        if pattern.search(text):
            return name
    if record and any(re.search(rf"(?<!\w){re.escape(known)}(?!\w)", text) for known in _known(record)):
        return "identifier of the record"
    return None


def _known(record: Record) -> list[str]:
    """What a record is known by; very short ones would be found everywhere."""
    file = record.source.file or record.image
    names = (record.id, record.patient, record.study, file, Path(file).name, Path(file).stem)
    return [name for name in names if name and len(name) >= 4]


# ------------------------------------------------------------------------------------------------------------ pixels

#: Kinds of images into which names are burned as a rule, as DICOM and as people write them.
_WRITTEN_ON = {"us", "ivus", "xa", "rf", "sc", "es", "xc", "gm", "photo", "photograph", "ultrasound", "endoscopy"}
_SURE = 70  # per cent, as tesseract says it: words read into noise stay below
_SIDE = 1000  # pixels to which a smaller image is enlarged: burned-in letters are small


def needs_reading(path: Path, modality: str | None) -> bool:
    """Whether text may be burned in: always but where a DICOM file of a kind that is not written on denies it."""
    header = pixels.probe(path)
    kinds = {(name or "").lower() for name in (header.modality, modality)}
    return header.burned_in != "NO" or bool(kinds & _WRITTEN_ON)


def read_pixels(png: bytes) -> bool:
    """Whether OCR finds a word of three or more letters and digits in an image as it would be sent.

    Shorter ones are marks such as L, R and AP.
    """
    try:
        import pytesseract

        grey = Image.open(io.BytesIO(png)).convert("L")
        return any(_words(pytesseract, look) for look in _looks(grey))
    except (ImportError, OSError, RuntimeError) as error:  # pytesseract's own errors are of the latter two
        raise ExpertError(
            f"OCR is not installed, so names burned into images would not be found ({error}): pip install unveil[ocr] "
            "and the program tesseract, or look at all images and say so with --pixels-reviewed"
        ) from error


def _looks(grey: Image.Image) -> Iterator[Image.Image]:
    """An image in which letters are looked for: as it is, and only thin strokes that are lighter or darker than what
    lies around them (top-hat transform), dark on white."""
    scale = max(1, round(_SIDE / max(grey.size)))
    size = (grey.width * scale, grey.height * scale)
    yield grey.resize(size, Image.Resampling.BICUBIC)
    widest = max(15, max(grey.size) // 35)
    from scipy import ndimage  # late: a third of a second, which no start of a command should wait for

    for strokes in (ndimage.white_tophat, ndimage.black_tophat):
        alone = 255 - pixels.stretch(strokes(np.asarray(grey), size=(widest, widest)))
        yield Image.fromarray(alone).resize(size, Image.Resampling.BICUBIC)


def _words(ocr: Any, image: Image.Image) -> bool:
    found = ocr.image_to_data(image, config="--psm 11", output_type=ocr.Output.DICT)
    pairs = zip(found["text"], found["conf"], strict=True)
    return any(float(sure) >= _SURE and re.search(r"\w{3}", word.replace("_", "")) for word, sure in pairs)


# -------------------------------------------------------------------------------------------------------------- gate


@dataclass(frozen=True)
class Gate:
    """Decides for each request whether it may leave. ``pixels_reviewed``: a person has looked at all images."""

    pixels_reviewed: bool = False
    _read: dict[str, bool] = field(default_factory=dict)

    def why_not(self, request: Request, texts: Iterable[str], png: bytes | None) -> str | None:
        """The reason for which this one item must not leave, None if it may.

        Raises ``ExpertError`` where a whole data set must not, or where nobody can tell.
        """
        self._check_source(request)
        for text in texts:
            if name := identifying(text, request.record):
                return f"not sent: its text holds what looks like a person's data ({name})"
        if png and not self.pixels_reviewed and self._written_on(request, png):
            return "not sent: OCR finds text burned into its image"
        return None

    def _check_source(self, request: Request) -> None:
        if request.record is None:
            raise ExpertError(f"{request.id}: its record is not known, so it must not leave this machine")
        source = request.record.source
        if source.access != "open":
            raise ExpertError(
                f"{request.id}: {source.dataset} is {source.access} data, which must not be shared with others: ask an "
                "expert on this machine"
            )
        if source.licence is None:
            raise ExpertError(
                f"{request.id}: the licence of {source.dataset} is not known: ingest it again with --licence, and with "
                "--access where it is not open"
            )

    def _written_on(self, request: Request, png: bytes) -> bool:
        shown, record = request.picture, request.record
        assert shown and record
        if not needs_reading(shown.path, record.modality):
            return False
        key = hashlib.sha256(png).hexdigest()
        if key not in self._read:  # several questions are asked about one image
            self._read[key] = read_pixels(png)
        return self._read[key]


# ---------------------------------------------------------------------------------------------------------- manifest


class Manifest:
    """One line for each request, written through to the disk before the request is sent.

    Items stand under pseudonyms. Whoever has ``unveil.key`` can tell which is which; it never leaves this machine.
    """

    def __init__(self, folder: Path, host: str, model: str, dry_run: bool = False):
        self.path, self.host, self.model, self.dry_run = folder / "manifest.jsonl", host, model, dry_run
        self._key_file = folder / "unveil.key"
        self._lock = threading.Lock()

    @cached_property
    def _key(self) -> bytes:
        self._key_file.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _saved_key(self._key_file)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        return _saved_key(self._key_file)

    def pseudonym(self, name: str) -> str:
        """The same name under the same key gives the same pseudonym, and nobody without the key can find the name."""
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()

    def write(self, request: Request, body: bytes, png: bytes | None) -> None:
        """Adds what is about to leave: all of the body but for the image, which stands there by its hash."""
        record = request.record
        sha256 = hashlib.sha256(png or b"").hexdigest()
        line = {
            "dry_run": self.dry_run,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": self.host,
            "model": self.model,
            "licence": record and record.source.licence,
            "access": record and record.source.access,
            "image": {"sha256": sha256, "bytes": len(png)} if png else None,
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "body": _without_image(json.loads(body), sha256),
        }
        with self._lock:
            try:
                names = {"item": self.pseudonym(request.id), "record": self.pseudonym(record.id) if record else None}
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                    file.write(json.dumps(names | line, ensure_ascii=False) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise ExpertError(f"{request.id}: not sent, since {self.path} cannot be written: {error}") from error


def _saved_key(path: Path) -> bytes:
    text = path.read_text().strip()
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ExpertError(f"{path}: not a key for pseudonyms; delete it, and a new one is made")
    return bytes.fromhex(text)


def _without_image(value: Any, name: str) -> Any:
    """The body with the image's data replaced by its hash."""
    if isinstance(value, dict):
        return {k: f"(PNG, sha256 {name})" if k == "url" else _without_image(v, name) for k, v in value.items()}
    return [_without_image(v, name) for v in value] if isinstance(value, list) else value
