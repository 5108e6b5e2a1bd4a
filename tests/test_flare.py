"""FLARE-MLLM-2D as a benchmark: all its tasks by our figures and by its own, and which set an image is of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.sets import flare_mllm_2d
from unveil.core.options import OptionError
from unveil.core.records import Record, Source
from unveil.evaluate.benchmarks.flare import by_set
from unveil.pipelines import benchmark
from unveil.pipelines.benchmark import Config


def flare(
    tmp_path: Path, *rows: dict[str, Any], said: Sequence[Any], box_format: str = "json-pixels"
) -> dict[str, Any]:
    """The benchmark's row for questions of FLARE's validation, whose list is filled in with other answers."""
    data, file = tmp_path / "data", "BUS-UCLM-det/BUS-UCLM-det_questions_val.json"
    flare_mllm_2d.write(data)
    (data / file).write_text(json.dumps(rows))
    given = [{**row, "Answer": answer} for row, answer in zip(rows, said, strict=True)]
    (tmp_path / "filled.json").write_text(json.dumps(given))
    config = Config(name="flare-mllm-2d", data=data, out=tmp_path / "out", resamples=20)
    benchmark.main(replace(config, predictions=tmp_path / "filled.json", box_format=box_format, frame="image"))
    with pytest.raises(OptionError, match="--frame tells of answers that were made elsewhere"):
        benchmark.main(replace(config, frame="image"))
    found: dict[str, Any] = json.loads((tmp_path / "out/benchmark.json").read_text())
    return found


def test_flare_s_own_list_of_answers_has_its_own_figures_beside_ours(tmp_path: Path) -> None:
    """Two places on one image are two questions, as published. [4, 2, 20, 12] is answered by itself and by a box far
    off, [30, 20, 60, 40] by what is no box: 1 of 2 + 2 boxes is found, F1 2 * 1 / 4. The count is off by 2, the measure
    unread, and so 6.5 off there; one label of two is said, F1 2/3; B is A once, and right once of class B: (0 + 1) / 2.
    """
    row, v0 = flare_mllm_2d.row, "imagesVal/v0.png"
    found = flare(
        tmp_path,
        row("Detection", v0, "Where is the lesion?", "[4, 2, 20, 12]"),
        row("Detection", v0, "Where is the head?", "[30, 20, 60, 40]"),
        row("Cell Counting", v0, "How many cells?", "7"),
        row("Regression", v0, "How old, in years?", "6.5"),
        row("Multi-label Classification", v0, "Which are seen?", "Caries; Pulp Diseases"),
        row("Classification", v0, "Which plane? A: axial, B: coronal", "A"),
        row("Classification", v0, "Which side? A: left, B: right", "B"),
        said=["[4, 2, 20, 12] and [50, 30, 60, 40]", "[1, 2]", "9", "old", "Pulp Diseases", "B", "B"],
    )
    values = {name: one["value"] for name, one in (found["metrics"] | found["published"]).items()}
    assert (found["questions"], values["grounding_iou"], values["boxes_f1_50"]) == (7, 0.25, 0.5)
    assert values["flare_detection_f1_50"] == values["flare_detection_f1_30"] == 0.5
    assert (values["counting_mae"], values["regression_mae"]) == (2, None) and values["flare_counting_mae"] == 2
    assert values["flare_regression_mae"] == 6.5 and values["flare_labels_f1"] == pytest.approx(2 / 3)
    assert values["flare_balanced_accuracy"] == 0.5 and found["metrics"]["regression_mae"]["unread"] == 1
    assert "flare_detection_f1_50" in (tmp_path / "out/benchmark.html").read_text()


def test_what_a_model_thought_is_no_figure_of_flare_s(tmp_path: Path) -> None:
    """Right answers behind thoughts that say something else."""
    row, image, thought = flare_mllm_2d.row, "imagesVal/v0.png", "<unused94>Caries? 3, A: axial<unused95>Final Answer: "
    found = flare(
        tmp_path,
        row("Cell Counting", image, "How many cells?", "7"),
        row("Multi-label Classification", image, "Which are seen?", "Pulp Diseases"),
        row("Classification", image, "Which side? A: left, B: right", "B"),
        said=[thought + right for right in ("7", "Pulp Diseases", "B")],
        box_format="medgemma-1.5",
    )["published"]
    figures = ("flare_counting_mae", "flare_labels_f1", "flare_balanced_accuracy")
    assert [found[name]["value"] for name in figures] == [0, 1, 1]


def test_a_question_is_asked_however_many_places_it_has(tmp_path: Path) -> None:
    """Thirty cells, where other questions with more than 24 places are left out."""
    cells = str([[2 * i, 2, 2 * i + 2, 9] for i in range(30)])
    found = flare(tmp_path, flare_mllm_2d.row("Detection", "imagesVal/v0.png", "Where are cells?", cells), said=[cells])
    assert (found["questions"], found["published"]["flare_detection_f1_50"]["value"]) == (1, 1)


def test_sets_of_flare_are_told_by_the_folder_of_their_images() -> None:
    """Which may lie in that of a modality, or in a zip."""

    def part(file: str) -> str:
        return by_set(Record("a", "a.png", 9, 9, source=Source("a", file=file)))

    files = ("BUSI-det/imagesVal/a.png", "Xray/mixed/imagesTr.zip/imagesTr/a.png", "imagesVal/a.png", "b/a.png")
    assert list(map(part, files)) == ["BUSI-det", "mixed", "imagesVal", "b"]
