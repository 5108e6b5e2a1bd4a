"""Records, dialogues and predictions joined by their ids; how they are refused is tested in ``test_metrics``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.outcomes import A, B, dialogue, predicted, record
from unveil.core import joined
from unveil.core.grading import ScoreError


def test_a_case_is_of_its_own_record() -> None:
    """The box counts in the picture that the model saw, 100 x 100, which is the record's."""
    d = dialogue("localisation", target="mass")
    case = joined.case(d, joined.truths({"r": record(("mass", A))}), predicted(d, "[0, 0, 10, 10]"))
    assert case.parsed.boxes == [A] and case.outcome.right


def test_a_box_format_that_nobody_knows() -> None:
    d = dialogue("localisation", target="mass")
    with pytest.raises(ScoreError, match="unknown box format 'own'"):
        joined.case(d, joined.truths({"r": record(("mass", B))}), replace(predicted(d, ""), box_format="own"))


def test_few_ids_are_named() -> None:
    assert joined.some("cab") == "a, b, c" and joined.some("abcdefg") == "a, b, c, d, e and 2 more"
