"""A data folder: its files, the image that an annotation means, its published splits, and an image as a record."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unveil.core import image_files, pixels, pseudonyms
from unveil.core.records import Completeness, Finding, Record, Source, Split
from unveil.core.untrusted import JsonError, parse_json
from unveil.ingest import subjects
from unveil.ingest.files import Listing, Opening, below, is_dicom, known_encoding, listing, opening, text_of
from unveil.ingest.lookup import Index
from unveil.ingest.made import write_made
from unveil.ingest.published import Lists, is_file, list_name, telling
from unveil.ingest.reading import (
    AnnotationError,
    Image,
    Incomplete,
    IngestError,
    Note,
    Options,
    Rejected,
    compiled,
    turned,
)

if TYPE_CHECKING:
    from unveil.ingest.catalogue import DataSet

Reader = Callable[["Folder"], Iterator[Record | Rejected | Incomplete]]

#: File endings of images; readers look at no others, so masks in .npy or notes in .txt are never taken for images.
#: Volumes (NIfTI) are not among them: a record is one image, and theirs are slices of them.
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".ima")

#: Of files of these, not even the first bytes are read to see whether they are DICOM.
OTHER_SUFFIXES = (
    ".txt", ".xml", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".names", ".md", ".html", ".pdf", ".py",
    ".zip", ".gz", ".nii", ".npy", ".npz", ".mat", ".parquet",
)  # fmt: skip

#: Hexadecimal digits of a patient's pseudonym: of a million patients, two are the same once in forty million sets.
PSEUDONYM = 16


@dataclass(frozen=True)
class Folder:
    """A data folder that is walked once. ``root`` is resolved; ``notes`` grow while it is read."""

    root: Path
    options: Options = field(default_factory=Options)
    notes: dict[str, Note] = field(default_factory=dict)
    trial: bool = False
    """Only the places of boxes matter: images that were made are not made again."""
    out: Path | None = None
    """Where records go, images that are made of others, and the key with which patients' ids are hashed; None for a key
    that nobody keeps."""
    about: DataSet | None = None
    """The data set, where its layout has told which it is."""
    _told: dict[Callable[[Path], bool], list[Path]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, data: Path, options: Options) -> Folder:
        """Raises ``IngestError`` where there is no such folder, or an option names what does not exist."""
        known_encoding(options.encoding)
        for path in filter(None, (data, options.images)):
            if not path.is_dir():
                raise IngestError(f"{path}: no such folder")
        return cls(data.resolve(), options)

    def holding(self, about: DataSet | None) -> Folder:
        """The same folder, now that its layout has told which data set it holds; it is not walked again."""
        known = {name: value for name, value in vars(self).items() if name not in self.__dataclass_fields__}
        other = dataclasses.replace(self, about=about)
        vars(other).update(known)
        return other

    @cached_property
    def listing(self) -> Listing:
        return self._listed(self.root)

    @cached_property
    def _apart(self) -> Listing:
        """What lies in the folder of the images, which may be another one."""
        return self._listed(self.options.images.resolve()) if self.options.images else self.listing

    def _listed(self, root: Path) -> Listing:
        found = listing(root, self.options.links)
        for path, target in found.linked.items():
            self.note("linked folders are followed", f"{path.relative_to(root)} -> {target}")
        for path in found.made:
            self.note("folders that this program has made are left out", str(path.relative_to(root)))
        return found

    @cached_property
    def images(self) -> list[Path]:
        """Image files, told by their ending, or by their content where it is none of a known kind."""
        return [path for path in self._apart.files if _is_image(path)]

    @cached_property
    def index(self) -> Index:
        """The images by their names."""
        return Index(self._apart.root, self.images, self._apart.files, IMAGE_SUFFIXES, self.note)

    @cached_property
    def lists(self) -> Lists:
        """The splits of images, or of the XML files of images, that lists name."""
        found = Lists()
        if self.options.splits == "none" and self.about is None:  # of a set it is kept what was published (``record``)
            return found
        named = [(about, path) for path in self.files() if (about := list_name(path))]
        described = self.files(".xml")  # the lists of VOC name these
        index = Index(self.root, described, described, (".xml",))
        for (turn, split), path in sorted(named):

            def meant(name: str, near: Path = path.parent) -> Path | None:
                for names in (self.index, index):
                    try:
                        return names.find(name, near, told=False)
                    except AnnotationError:
                        continue
                return None

            try:
                found.enter(self.relative(path), self.text(path), split, meant, self.options, last=turn == 3)
            except AnnotationError as error:
                found.problems.append(Rejected(self.relative(path), None, str(error), rows=0))
        for file in found.empty:
            self.note("called as the list of a split, and names no image that is here", file)
        return found

    @property
    def looked(self) -> str:
        """Where images are looked for, and what is there."""
        such = f", such as {self.relative(self.images[0])}" if self.images else "; --images says where they lie"
        return f"looked below {self._apart.root}, which holds {len(self.images)} images{such}"

    @property
    def refused(self) -> list[Rejected]:
        """What in the folder cannot be read at all, and what is wrong with its lists of splits; what a data set's own
        reader knows better is no such list, though it be called train.csv."""
        apart = self._apart.refused if self.options.images else []
        return [*self.listing.refused, *apart, *([] if self.about else self.lists.problems)]

    def perhaps_annotated(self, endings: tuple[str, ...]) -> set[Path]:
        """The images that are called as files which were refused unopened, such as links, and have one of the endings
        of annotations. Of other images it is only noted that some annotations are not known."""
        images: set[Path] = set()
        for file in (refused.file for refused in self.listing.refused):
            if file.lower().endswith(endings):
                self.note("files that may hold annotations were refused unopened: what they say is not known", file)
                images.update(self.index.candidates(file))
        return images

    def note(self, text: str, example: str = "") -> None:
        """Something to be told at the end, with how often it was noted and the first example."""
        if text in self.notes:
            self.notes[text].count += 1
        else:
            self.notes[text] = Note(text, example)

    def files(self, *suffixes: str) -> list[Path]:
        """All files below the data folder, or those with one of the endings."""
        endings = tuple(suffix.lower() for suffix in suffixes)
        return [path for path in self.listing.files if not endings or path.name.lower().endswith(endings)]

    def named(self, *names: str) -> list[Path]:
        """The files that are called so, in any case of letters; ``*`` stands for anything within a name."""
        patterns = [name.lower() for name in names]
        plain = [path for pattern in patterns for path in self._by_name.get(pattern, ())]
        if wild := [pattern for pattern in patterns if "*" in pattern]:
            fitting = (paths for name, paths in self._by_name.items() if any(fnmatchcase(name, p) for p in wild))
            plain += [path for paths in fitting for path in paths]
        return plain

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """The files that are no images, by their names in small letters."""
        found: dict[str, list[Path]] = {}
        for path in self.listing.files:
            name = path.name.lower()
            if not name.endswith(IMAGE_SUFFIXES):
                found.setdefault(name, []).append(path)
        return found

    def json(self, path: Path) -> Any:
        """The content of a JSON file; raises ``IngestError`` where it is none."""
        try:
            return parse_json(self.text(path), lenient=True)
        except (AnnotationError, JsonError) as error:
            raise IngestError(f"{self.relative(path)}: {error}") from error

    def make(self, file: str, content: np.ndarray | bytes) -> Path:
        """An image that lies in no file of its own, such as a slice of a volume or a cell of a table: written beside
        the records, as PNG from an array (see ``pixels.write_png``), as it is from the bytes of a file.

        ``file`` is what it is called: the file that it comes from and where there, such as ``ct.nii.gz#axial-12``.
        """
        if self.out is None:
            raise IngestError(f"{file}: there is no folder to write images to")
        return write_made(self.out, file, content, again=not self.trial)

    def showing(self, tell: Callable[[Path], bool], *suffixes: str) -> list[Path]:
        """The files with one of the endings of which ``tell`` is true, each looked at once."""
        if tell not in self._told:
            self._told[tell] = [path for path in self.files(*suffixes) if tell(path)]
        return self._told[tell]

    def annotations(self, *suffixes: str) -> list[Path]:
        """The files that may hold annotations: those of the option's pattern, else all with one of the endings."""
        chosen = [path for path in self.files(*suffixes) if self.asked(path)]
        if not chosen and self.options.annotations is not None:
            raise IngestError(f"no {' or '.join(suffixes)} file fits the pattern {self.options.annotations!r}")
        return chosen

    def among(self, found: Iterable[Path], looked_for: str) -> list[Path]:
        """Of the files that show a form those that fit the option's pattern; raises ``IngestError`` where none does."""
        if chosen := list(filter(self.asked, found)):
            return chosen
        fitting = f" that fits the pattern {self.options.annotations!r}" if self.options.annotations else ""
        raise IngestError(f"{self.root}: looked for {looked_for} and found none{fitting}")

    def asked(self, path: Path) -> bool:
        """Whether an annotation file fits the option's pattern, as all do where there is none: one that begins with
        ``/`` is its whole path below the data folder, any other the end of it."""
        pattern = self.options.annotations
        return pattern is None or Path("/", self.relative(path)).match(pattern)

    def text(self, path: Path, *, marked: bool = False) -> str:
        """The text of a file, as ``files.text_of`` reads it."""
        return text_of(path, self.options.encoding, marked=marked)

    def opening(self, path: Path) -> Opening:
        """How to open a file as text that is read a part at a time, as ``files.opening`` has it, with marks."""
        return opening(path, self.options.encoding, marked=True)

    def relative(self, path: Path) -> str:
        """A path as records and messages show it: below the data folder, or below that of the images."""
        name = below(path, self.root)
        return name if name is not None else path.relative_to(self._apart.root).as_posix()

    def find(self, name: str, *near: Path) -> Path:
        """The image that an annotation in the folders ``near`` calls ``name``; raises ``AnnotationError``."""
        return self.index.find(name, *near)

    def split(self, image: Path, annotation: Path | None = None) -> Split | None:
        """The published split of an image: of a list, else named by its annotation file's path, else by its folder."""
        if self.options.splits == "none" and self.about is None:
            return None
        if listed := self.lists.split:
            for path in filter(None, (image, annotation)):
                if path in listed:
                    return listed[path]
        inside, _ = os.path.split(image)
        for place in [inside] if annotation is None else [str(annotation), inside]:
            if told := self._telling(place):
                part, split = told
                if not is_file(part):
                    self.note(f"images of the split {split}, since a folder is called {part}", self.relative(image))
                return split
        return None

    @cached_property
    def _telling(self) -> Callable[[str], tuple[str, Split] | None]:
        """What a path tells of the split: many images are asked about in turn, and lie in few folders."""
        return lru_cache(lambda path: telling(self.relative(Path(path))))

    def open(
        self, path: Path, stated: tuple[float, float] | None = None, where: str = "", file: str | None = None
    ) -> Image:
        """An image, in the frame that its annotations count in, by its header: the whole of it is looked at when the
        record that names it is taken (``looking``). ``file`` is what one that was made (``make``) is called.

        ``stated`` is the width and height that ``where`` gives: of the picture as it is shown, or as it is stored. What
        is neither was annotated on another version of the image, and raises ``AnnotationError``; what cannot be used
        raises ``pixels.ImageError``.
        """
        header = image_files.probe(path)
        if header.frames > 1:
            raise pixels.ImageError(f"{path}: holds {header.frames} frames; export the annotated ones as images")
        width, height, turn = header.width, header.height, header.exif_orientation
        shown, stored = (width, height), (height, width) if turn > 4 else (width, height)
        if stated is not None and stated not in (shown, stored):
            sizes = f"{stated[0]:g} x {stated[1]:g}, the image has {width} x {height}"
            raise AnnotationError(f"{where} says {sizes}: annotated on another version of the image")
        frame = self.options.orientation
        if turn != 1:
            told = stated is not None and shown != stored
            if told:
                frame = "shown" if stated == shown else "stored"
            why = "as their stated size tells" if told else "since no stated size tells (see --orientation)"
            picture = "pictures are turned as viewers show them (EXIF orientation)"
            self.note(f"{picture}; their boxes were read on the {frame} ones, {why}", file or self.relative(path))
        if frame == "stored":
            width, height = stored
        turn = turn if frame == "stored" else 1
        name = self.relative(path) if file is None else file
        return Image(path, name, width, height, "", header.modality, header.patient, turn, header.sex, header.age)

    def record(
        self, image: Image, findings: Sequence[Finding], usual: Completeness, lost: bool, **known: Any
    ) -> Record:
        """The record of an image. ``usual`` is the completeness of its format or set; ``lost`` tells that some of its
        annotations were rejected: then its unmarked area is not known to be free of findings, whatever was promised."""
        chosen = self.options
        known = {name: value for name, value in known.items() if value is not None}
        known |= subjects.told(known, image, self.note)
        width, height = image.shown
        licence, access = chosen.licence, chosen.access
        published, benchmark = None, None
        if about := self.about:
            licence, access, published = licence or about.licence, access or about.access, known.get("split")
            benchmark = self.dataset if about.benchmark and published == "test" else None
        if chosen.splits == "none":
            known.pop("split", None)
        return Record(
            id=f"{self.dataset}/{image.file}",
            image=str(image.path),
            width=width,
            height=height,
            modality=known.pop("modality", chosen.modality or (about and about.one_modality) or image.modality),
            patient=self._patient(known.pop("patient", None) or self._captured("patient", image.file), image),
            study=known.pop("study", self._captured("study", image.file)),
            findings=tuple(turned(finding, image) for finding in findings),
            completeness=known.pop("completeness", "partial" if lost else chosen.completeness or usual),
            source=Source(
                *(self.dataset, chosen.dataset_version, licence, access, image.file, image.sha256, published, benchmark)
            ),
            **known,
        )

    @property
    def dataset(self) -> str:
        return self.options.dataset or (self.about.name if self.about else self.root.name)

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        given = {"patient": self.options.patient_pattern, "study": self.options.study_pattern}
        return {name: compiled(text, f"{name}_pattern") for name, text in given.items() if text is not None}

    @cached_property
    def _key(self) -> bytes:
        return pseudonyms.key(self.out) if self.out else secrets.token_bytes(32)

    def _patient(self, told: str | None, image: Image) -> str | None:
        """Whom an annotation or a path tells goes before the image's own header."""
        if told is None:
            return self._in_header(image)
        if self.options.patients_from:
            which = "column or --patient-pattern tells the patient, and goes before --patients-from"
            self.note(f"a {which}: it stands in records.jsonl as it is; `--columns patient=` leaves the column out")
        return told

    def _in_header(self, image: Image) -> str | None:
        """The patient of the image's own header, as a keyed hash; where nobody asked, it is noted that there is one."""
        if image.patient is None:
            return None
        if self.options.patients_from == "dicom":
            return self.pseudonym(image.patient)
        text = "images whose patient only their DICOM header tells: --patients-from dicom takes it as a keyed hash"
        self.note(text, image.file)
        return None

    def pseudonym(self, name: str) -> str:
        """A keyed hash that stands for a name or a number of a person or an examination, which is written nowhere."""
        return pseudonyms.pseudonym(self._key, name)[:PSEUDONYM]

    def _captured(self, name: str, file: str) -> str | None:
        """What the pattern of a patient or a study finds in a file's path."""
        found = self._patterns[name].search(file) if name in self._patterns else None
        if found is None:
            return None
        return found[name] if name in found.re.groupindex else found[1] if found.re.groups else found[0]

    def unlisted(self, seen: Iterable[Path]) -> Iterator[Rejected]:
        """Images that no annotation names, in the folders of those that one does name (others may hold masks)."""
        seen = set(seen)
        folders = set(map(Path, set(map(os.path.dirname, seen))))
        for path in self.images:
            if path not in seen and path.parent in folders:
                yield Rejected(self.relative(path), None, "no annotation names this image", rows=0)


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or (not (suffix in OTHER_SUFFIXES or path.name == "DICOMDIR") and is_dicom(path))
