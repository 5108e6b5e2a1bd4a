"""What a report finds and what it denies: the names of a vocabulary, read with their negations.

The reader is that of all answers (``assertions``) and reads English. "No effusion" denies an effusion and finds none; a
name that is found in one clause and denied in another ("no left effusion; small right effusion") is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from unveil.core.answers import says_nothing
from unveil.core.assertions import claims, read
from unveil.core.names import Names, normal
from unveil.core.text_metrics import rouge_l, tokeniser

#: What reports on chest radiographs speak of, with other words for it: the vocabulary where a data set annotates
#: nothing. Devices are left out; they are no findings.
CHEST: dict[str, tuple[str, ...]] = {
    "atelectasis": ("volume loss",),
    "bronchiectasis": (),
    "calcification": (),
    "cardiomegaly": (
        *("enlarged heart", "heart is enlarged", "heart size is enlarged", "cardiac enlargement"),
        *("enlarged cardiac silhouette", "enlargement of the cardiac silhouette", "cardiac silhouette is enlarged"),
    ),
    "consolidation": ("airspace disease",),
    "emphysema": ("hyperinflation", "hyperexpansion"),
    "enlarged mediastinum": ("widened mediastinum", "mediastinal widening", "enlarged cardiomediastinum"),
    "fibrosis": ("interstitial lung disease",),
    "fracture": (),
    "granuloma": (),
    "hernia": (),
    "lung opacity": ("opacity", "opacification", "infiltrate"),
    "lymphadenopathy": (),
    "mass": (),
    "nodule": (),
    "pleural effusion": ("effusion",),
    "pleural thickening": (),
    "pneumonia": (),
    "pneumothorax": (),
    "pulmonary oedema": ("oedema", "vascular congestion"),
    "scoliosis": (),
}
_ONE_NAME = {normal(other): name for name, others in CHEST.items() for other in (name, *others)}


@dataclass(frozen=True)
class NameMention:
    """A name in a text: which, whether it is found there or denied, and where it stands."""

    name: str
    found: bool
    start: int
    end: int


@dataclass(frozen=True)
class Reported:
    """The names of one report, in order; a name may stand in it several times."""

    mentions: tuple[NameMention, ...]

    @property
    def found(self) -> frozenset[str]:
        return frozenset(one.name for one in self.mentions if one.found)

    @property
    def denied(self) -> frozenset[str]:
        """What is denied and nowhere found."""
        return frozenset(one.name for one in self.mentions) - self.found


@dataclass(frozen=True)
class ReportComparison:
    """A report beside its reference. ``known`` are further names that are true of the image: its annotations'."""

    said: Reported
    true: Reported
    known: frozenset[str] = frozenset()

    @property
    def missed(self) -> list[str]:
        """What the reference finds and the report does not."""
        return sorted(self.true.found - self.said.found)

    @property
    def invented(self) -> list[str]:
        """What the report finds and neither the reference nor an annotation."""
        return sorted(self.said.found - self.true.found - self.known)

    @property
    def counts(self) -> tuple[int, ...]:
        """Of what is found: names that both give, the report's, the reference's; then the same of what is denied."""
        pairs = (self.said.found, self.true.found), (self.said.denied, self.true.denied)
        return tuple(n for said, true in pairs for n in (len(said & true), len(said), len(true)))

    @property
    def conflict(self) -> float:
        """How far the report is from its reference in what it finds: 1 less the F1 of names; 0 where both find none."""
        both, said, true = self.counts[:3]
        return 1 - 2 * both / (said + true) if said + true else 0.0


def vocabulary(labels: Sequence[str]) -> tuple[str, ...]:
    """The names that reports are read with: the labels of a data set, or of none the findings of chest radiographs."""
    return tuple(labels) or tuple(other for name, others in CHEST.items() for other in (name, *others))


@lru_cache(maxsize=64)
def _names(labels: tuple[str, ...]) -> Names:
    return Names([name for name in vocabulary(labels) if not says_nothing(name)])


@lru_cache(maxsize=1 << 14)  # a reference is read once for all models
def reported(text: str, labels: tuple[str, ...]) -> Reported:
    """What a report finds and denies by the names of ``labels``; of none by those of ``CHEST``."""
    said = (claim for claim in claims(read(text, _names(labels))) if claim.name is not None)
    one_name = {} if labels else _ONE_NAME
    return Reported(
        tuple(NameMention(one_name.get(c.name or "", c.name or ""), c.affirmed, c.start, c.end) for c in said)
    )


#: The ratios of names that a report adds to.
OF_NAMES = ("report_found", "report_denied")


def report_sums(said: str, true: str, compared: ReportComparison | None) -> dict[str, tuple[float, float]]:
    """What a report adds to the metrics' ratios, (numerator, denominator): words in common, and F1 of names where it is
    ``compared``. Raises ``ValueError`` for a reference without a word."""
    sums: dict[str, tuple[float, float]] = {"report_rougeL": (rouge_l(said, true).f1, 1)}
    for i, name in enumerate(OF_NAMES if compared else ()):
        both, given, wanted = compared.counts[3 * i : 3 * i + 3] if compared else (0, 0, 0)
        sums[name] = 2 * both, given + wanted
    return sums


def in_english(language: str | None, reference: str) -> bool:
    """Whether the reader can tell what a report finds: where nobody has said another language, by its script."""
    return language in (None, "en") and tokeniser(reference) != "zh"
