"""What lies in two splits, or under two patients: copies of images, patients, studies, groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from unveil.audit.issues import Issue, in_split, issue
from unveil.core.overlaps import dicom_id
from unveil.core.records import Record, Split

#: Splits of which it is told how many images of the first are in the second too.
_APART: tuple[tuple[Split, Split], ...] = (("test", "train"), ("test", "val"), ("val", "train"))


def of_leaks(records: Sequence[Record], copies: Sequence[Sequence[int]], files: Sequence[str]) -> Iterator[Issue]:
    """``copies`` are the places of records that show one image, ``files`` the hashes of the records' image files."""
    yield from _of_copies([[records[i] for i in members] for members in copies], shared(records, copies, files))
    ties: dict[str, Callable[[Record], str | None]] = {
        "patient": lambda r: r.patient and f"{r.source.dataset}/{r.patient}",
        "study": lambda r: r.study and f"{r.source.dataset}/{r.patient or ''}/{r.study}",
        "group": lambda r: r.group,
        "image": dicom_id,
    }
    for name, key in ties.items():
        torn = _torn(records, key, lambda r: r.split)
        message = f"{{}} {name} ids lie in two splits: re-split by group"
        yield from issue(f"{name}_across_splits", "error", message, torn)
    apart = _torn(records, ties["patient"], lambda r: r.cluster)
    yield from issue("patient_across_groups", "error", "{} patients are torn apart by their groups: regroup", apart)
    # whose sex it is that differs is not told: what was found goes into files and pages
    unlike = [tie.rpartition(":")[0] for tie in _torn(records, ties["patient"], lambda r: r.sex)]
    yield from issue(
        "patient_of_two_sexes", "warning", "{} patients have records of two sexes: does an id stand for two?", unlike
    )
    unknown = [r.id for r in records if r.patient is None]
    yield from issue(
        "unknown_patient", "warning", "{} images have no patient: that splits keep patients apart is unknown", unknown
    )


def shared(records: Sequence[Record], copies: Sequence[Sequence[int]], files: Sequence[str]) -> list[str]:
    """In words, how many of the images of one split are in another too, for each two splits that share any.

    Images count, not records: copies of one image count once in a split.
    """
    image = {i: first for first, *others in copies for i in (first, *others)}
    inside: dict[Split | None, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for i, (record, file) in enumerate(zip(records, files, strict=True)):
        inside[record.split][image.get(i, i)].add(file)
    words = []
    for one, other in _APART:
        both = inside[one].keys() & inside[other].keys()
        equal = sum(bool(inside[one][i] & inside[other][i]) for i in both)
        if both:
            how = "" if equal == len(both) else f" ({equal} as the same file)"
            words.append(f"of {len(inside[one])} {one} images {len(both)} are in {other} too{how}")
    return words


def _of_copies(groups: Sequence[Sequence[Record]], shared: Sequence[str]) -> Iterator[Issue]:
    """Each copy beside one image of its group, not beside all: 10,000 equal frames would make 50 million pairs."""
    across: list[str] = []
    within: list[str] = []
    disagree: list[tuple[Record, Record]] = []
    patients: list[str] = []
    for group in groups:
        # the first that has a split, or a patient: two others that lie apart do not both agree with it
        dealt = next((r for r in group if r.split), group[0])
        known = next((r for r in group if r.patient), group[0])
        for r in group:
            if r is not dealt and not (r.split == dealt.split and _of_one_volume(r, dealt)):
                apart = r.split and r.split != dealt.split
                (across if apart else within).append(f"{in_split(dealt)} = {in_split(r)}")
            differ = Counter(f.label for f in r.findings) != Counter(f.label for f in group[0].findings)
            if differ and not _of_one_volume(r, group[0]):
                disagree.append((group[0], r))
            if r.patient and (r.source.dataset, r.patient) != (known.source.dataset, known.patient):
                patients.append(f"{known.id} (patient {known.patient}) = {r.id} (patient {r.patient})")
    kinds = "the same, near-identical, mirrored or turned"
    yield from issue(
        "copy_across_splits",
        "error",
        f"{{}} images are copies of one in another split ({kinds}): {'; '.join(shared)}; re-split by group",
        across,
    )
    yield from issue(
        "copy_across_patients", "warning", f"{{}} images are copies of one of another patient ({kinds})", patients
    )
    yield from issue(
        "copy_annotated_differently",
        "warning",
        "{} copies have other findings than the first",
        [f"{in_split(first)} = {in_split(r)}" for first, r in disagree],
        [r.id for pair in disagree for r in pair],
    )
    yield from issue("copy", "info", f"{{}} further images are copies ({kinds})", within)


def _of_one_volume(one: Record, other: Record) -> bool:
    """Whether both are slices of one study: neighbours look alike, and are no copies."""
    study = one.study is not None and (one.source.dataset, one.study) == (other.source.dataset, other.study)
    return study and one.plane is not None and other.plane is not None and one.plane != other.plane


def _torn(
    records: Sequence[Record], key: Callable[[Record], str | None], part: Callable[[Record], str | None]
) -> list[str]:
    """Keys whose records lie in several parts, with these parts."""
    parts: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if (tie := key(record)) and (inside := part(record)):
            parts[tie].add(inside)
    return [f"{tie}: {', '.join(sorted(where))}" for tie, where in parts.items() if len(where) > 1]
