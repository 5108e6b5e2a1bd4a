"""What is known of a form of annotation, or of a data set, beside its reader: one row of the table in ``formats``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unveil.core.records import Access, Completeness
from unveil.ingest.folder import Folder, Reader

#: What records of a data set hold.
Gives = Literal[
    "labels", "boxes", "masks", "phrases", "questions", "choices", "reports", "patients", "splits", "readers"
]


#: Modalities that all images of a set may have.
MODALITIES = ("CT", "MR", "X-ray", "dermoscopy", "endoscopy", "ultrasound")


@dataclass(frozen=True)
class Download:
    """One thing that a data set is made of, as it lies in the folder once it is unpacked."""

    pattern: str
    """Where, below the folder: ``*`` is anything within a name, ``**`` any folders, ``{a,b}`` one of several."""
    what: str
    """What it holds, in words."""
    needed: bool = True
    """Whether the reader cannot do without."""


@dataclass(frozen=True)
class DataSet:
    """A data set of the field, as it is distributed. What was not found at its source is None, and is not guessed."""

    name: str
    """What ``--format`` calls it, and the first part of its records' ids."""
    title: str
    """Its name as people write it."""
    modality: str
    """What its images are, such as CT; several are separated by commas."""
    gives: tuple[Gives, ...]
    """What its records hold."""
    completeness: Completeness
    """Whether its annotations name everything there is, as its makers say."""
    access: Access
    """Who may have it: open, by an agreement (dua), or with credentials."""
    licence: str | None
    """As its makers state it."""
    source: str
    """Where it is downloaded from."""
    citation: str
    """Authors, title, year and an identifier of the paper."""
    parts: tuple[Download, ...]
    """What to download."""
    benchmark: bool = False
    """Whether others publish figures on its test split, so that nothing may be learnt from that."""
    notes: tuple[str, ...] = ()
    """What a user should know before the figures are believed, a sentence each."""

    @property
    def one_modality(self) -> str | None:
        """The modality of all images, where it is one."""
        return self.modality if self.modality in MODALITIES else None


@dataclass(frozen=True)
class Format:
    """A form in which images are annotated: the reader, what it looks for in words, those files of a folder that show
    this form, and the endings of all that the reader looks at, each with its dot."""

    name: str
    read: Reader
    looked_for: str
    found: Callable[[Folder], list[Path]]
    endings: tuple[str, ...]
    about: DataSet | None = None
    """The data set, where only one is in this form."""
    help: str = ""
    """What is read of it, a phrase for the list of forms."""
    otherwise: Callable[[Folder], list[Path]] | None = None
    """Files that show it where nothing else shows any form, since they may well lie beside those of another one."""
    images: Callable[[Folder], int] | None = None
    """How many images the files name, where these may lie outside the folder."""

    def number_of_images(self, folder: Folder) -> int:
        """How many there may be to look at."""
        return self.images(folder) if self.images else len(folder.images)

    def evidence(self, folder: Folder, otherwise: bool = False) -> str:
        """Such as: XML files with an <annotation> (364, such as Annotations/a.xml); "" where there are none."""
        found = self.otherwise if otherwise else self.found
        files = [path for path in found(folder) if folder.asked(path)] if found else []
        number = f"{len(files)}, such as " if len(files) > 1 else ""
        return f"{self.looked_for} ({number}{folder.relative(files[0])})" if files else ""
