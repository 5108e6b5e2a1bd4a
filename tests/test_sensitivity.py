"""Whether a model looks at the image: answers with the image taken away beside its own, by hand; files are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.outcomes import NORMAL, A, B, C, diagnosis, dialogue, predicted, record
from unveil import cli
from unveil.core.answers import write_detection
from unveil.core.box_formats import BOX_FORMATS, View
from unveil.core.grading import ScoreError, grade
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Kind, Prediction, Shown
from unveil.evaluate import sensitivity
from unveil.evaluate.exchange.reading import Elsewhere
from unveil.evaluate.intervals import differences
from unveil.evaluate.looking_figures import Figures
from unveil.evaluate.metrics import METRICS, outcomes
from unveil.evaluate.predictions import PredictionFiles
from unveil.evaluate.score import score
from unveil.evaluate.sensitivity import Counts, TruthOfShown, differs

RECORDS = {
    "a": record(("mass", A), name="a", split="test", patient="1"),
    "b": record(("cyst", B), name="b", split="test", patient="2"),
    "n": record(name="n", split="test", patient="3"),
}
ASKED = {
    name: dialogue("detection", write_detection(r.findings), name=f"{name}/d", of=name) for name, r in RECORDS.items()
}
#: Which model says what of a, b and n, by what it is shown; ``blind`` sees nothing, and says yes.
SAID: dict[str, dict[Shown, dict[str, str]]] = {
    "keen": {
        "own": {"a": "Yes.", "b": "Yes.", "n": "No."},
        "blank": {"a": "No.", "b": "No.", "n": "No."},
        "other-patient": {"a": "Yes.", "b": "No.", "n": "No."},
        "lesion-hidden": {"a": "No.", "b": "Yes."},
        "elsewhere-hidden": {"a": "Yes.", "b": "Yes."},
        "lesion-only": {"a": "Yes.", "b": "No."},
    },
    "blind": {shown: dict.fromkeys("abn", "Yes.") for shown in ("own", "blank", "other-patient")}
    | {shown: dict.fromkeys("ab", "Yes.") for shown in ("lesion-hidden", "elsewhere-hidden", "lesion-only")},
}
#: Whose image is shown: a sees b's, b sees n's, n sees a's.
OTHER = {"a": "b", "b": "n", "n": "a"}


def file(folder: Path, model: str, shown: Shown, **said: str) -> Path:
    found = said or SAID[model][shown]
    rows = [
        predicted(ASKED[r], text, shown=shown, shown_record=OTHER[r] if shown == "other-patient" else None)
        for r, text in found.items()
    ]
    write_jsonl(folder / f"{model}-{shown}.jsonl", rows)
    return folder / f"{model}-{shown}.jsonl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "records.jsonl", RECORDS.values())
    write_jsonl(tmp_path / "dialogues.jsonl", ASKED.values())
    return tmp_path


def scored(folder: Path, sensitivity: dict[str, tuple[Path, ...]], models: tuple[str, ...] = ("keen",)) -> Any:
    own = {model: file(folder, model, "own") for model in models}
    return score(
        *(folder / "records.jsonl", folder / "dialogues.jsonl", own, folder / "out"),
        resamples=200,
        sensitivity=sensitivity,
    )


def looking(folder: Path, *models: str) -> Any:
    files = {m: tuple(file(folder, m, shown) for shown in SAID[m] if shown != "own") for m in models}
    return scored(folder, files, models)["sections"]["looking"]


def test_accuracy_with_and_without_and_what_changes(folder: Path) -> None:
    """Blank: sensitivity 1 becomes 0, specificity stays 1, so of three answers two change and two are lost."""
    blank = looking(folder, "keen")["models"]["keen"]["blank"]
    assert (blank["questions"], blank["images"]) == (3, 3)
    assert (blank["metrics"]["sensitivity"]["own"], blank["metrics"]["sensitivity"]["altered"]) == (1, 0)
    assert blank["metrics"]["specificity"]["drop"]["value"] == 0
    drop = blank["metrics"]["question_accuracy"]["drop"]
    assert drop["value"] == pytest.approx(2 / 3) and (drop["n"], drop["clusters"]) == (3, 3)
    assert drop["excludes_zero"] is False, "three patients are no proof"
    assert blank["changed"]["value"] == pytest.approx(2 / 3)
    assert "iou" not in blank["metrics"], "no place was asked for"
    assert blank["due_changed"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
        "clusters": 0,
        "reason": "no items",
    }


def test_what_should_change_is_told_by_the_truth_of_what_is_shown(folder: Path) -> None:
    """Another patient: a's question has the same answer of b (stays yes); b's of n and n's of a have another, of which
    b's changes, and is right. Lesion hidden: both should change, a's does. Elsewhere: neither should, nor does."""
    found = looking(folder, "keen")["models"]["keen"]
    other, hidden, elsewhere = (found[s] for s in ("other-patient", "lesion-hidden", "elsewhere-hidden"))
    assert [(other[s]["value"], other[s]["n"]) for s in ("due_changed", "due_right", "undue_changed")] == [
        (0.5, 2),
        (0.5, 2),
        (0, 1),
    ]
    assert (hidden["due_changed"]["value"], hidden["due_right"]["value"], hidden["undue_changed"]["n"]) == (0.5, 0.5, 0)
    assert (elsewhere["due_changed"]["n"], elsewhere["undue_changed"]["value"]) == (0, 0)
    assert hidden["questions"] == elsewhere["questions"] == 2, "the normal image has nothing to hide"


def test_the_lesion_against_as_much_elsewhere_and_alone(folder: Path) -> None:
    """Sensitivity: 1 with another place hidden, 1/2 with the lesion; 1/2 of the lesion alone, 0 of blank."""
    told = looking(folder, "keen")["lesion"]["keen"]
    assert told["more_than_elsewhere"]["sensitivity"]["value"] == 0.5
    assert told["changed_more_than_elsewhere"]["value"] == 0.5
    assert told["gain_of_lesion"]["sensitivity"]["value"] == 0.5
    assert told["gain_of_lesion"]["question_accuracy"]["n"] == 2, "of blank, too, the images with a lesion only"


def test_models_are_compared_by_what_they_lose(folder: Path) -> None:
    """With blank keen loses 1 of sensitivity and blind 0; 2/3 of keen's answers change and none of blind's."""
    section = looking(folder, "blind", "keen")
    apart = section["differences"]["keen"]["blind"]["blank"]
    assert apart["drop"]["sensitivity"]["value"] == 1 and apart["changed"]["value"] == pytest.approx(2 / 3)
    assert apart["drop"]["sensitivity"]["p"] == apart["changed"]["p"] == 2 / 4, "a and b differ: none or both swapped"
    drop = section["models"]["keen"]["blank"]["metrics"]["sensitivity"]["drop"]
    assert (drop["p"], drop["p_holm"]) == (0.5, 1), "of keen alone, with its image and without"
    assert section["models"]["blind"]["other-patient"]["due_right"]["value"] == 0.5  # n's, by chance
    assert section["models"]["blind"]["lesion-hidden"]["changed"]["value"] == 0


def test_without_such_files_there_is_no_section(folder: Path) -> None:
    assert "looking" not in scored(folder, {})["sections"]


def test_figures_are_those_of_paired_differences() -> None:
    """The drop is the difference of the two as ``intervals`` computes it, on the same resamples, of every metric."""
    rng = np.random.default_rng(0)
    rows = [record(("mass", A), ("cyst", B), name=str(i), patient=str(i % 12)) for i in range(40)]
    asked = [dialogue("diagnosis", name=str(i), of=str(i)) for i in range(40)]
    said = [NORMAL, diagnosis(("mass", A)), diagnosis(("mass", A), ("cyst", B)), diagnosis(("cyst", C))]
    own, other = (outcomes(rows, asked, [predicted(d, said[rng.integers(4)]) for d in asked]) for _ in range(2))
    place = {name: i for i, name in enumerate(sorted({o.cluster for o in own}))}
    counts = Counts.empty(len(place)), Counts.empty(len(place))
    for table, of in zip(counts, (own, other), strict=True):
        for o in of:
            table.add(place[o.cluster], o.sums)
    figures = Figures({"own": counts[0], "other": counts[1]}, 300, 7)
    wanted = differences(other, own, 300, 7)
    found = figures.differences(METRICS, {"own": 1}, {"other": 1})
    for m in METRICS:
        for part in ("value", "low", "high", "n", "clusters", "differing"):
            assert found[m][part] == pytest.approx(getattr(wanted[m], part)), (m, part)
        assert found[m].get("p") == pytest.approx(wanted[m].p), m


# ------------------------------------------------------------------------------------------------- what changes


@pytest.mark.parametrize(
    ("kind", "one", "other", "apart", "more"),
    [
        ("detection", "Yes.", "yes", False, {}),
        ("detection", "Yes.", "No.", True, {}),
        ("detection", "Hm.", "hm", False, {}),
        ("detection", "Hm.", "Yes.", True, {}),
        ("choice", "A", "(A) air", False, {"choices": ("air", "bone")}),
        ("choice", "A", "B", True, {"choices": ("air", "bone")}),
        ("closed", "Yes, there is.", "yes", False, {"answer": "yes"}),
        ("closed", "left", "Left.", False, {"answer": "left"}),
        ("open", "the left lung", "the right lung", True, {"answer": "left lung"}),
        ("recognition", "A mass.", "mass", False, {"target": "<box 0 0 10 10>"}),
        ("recognition", "A mass.", "A cyst.", True, {"target": "<box 0 0 10 10>"}),
        ("localisation", "[0, 0, 10, 10]", "[0, 0, 10, 9]", False, {"target": "mass"}),
        ("localisation", "[0, 0, 10, 10]", "[50, 50, 60, 60]", True, {"target": "mass"}),
        ("diagnosis", diagnosis(("mass", A)), diagnosis(("mass", A)), False, {}),
        ("diagnosis", diagnosis(("mass", A)), diagnosis(("cyst", A)), True, {}),
        ("diagnosis", diagnosis(("mass", A)), diagnosis(("mass", B)), True, {}),
        ("diagnosis", diagnosis(("mass", A)), NORMAL, True, {}),
        ("report", "There is a mass.", "A mass is seen.", False, {"answer": "A mass."}),
        ("report", "There is a mass.", "There is no mass.", True, {"answer": "A mass."}),
        ("report", "There is a mass.", "The chest is normal.", True, {"answer": "A mass."}),
        ("report", "The chest is normal.", "Lungs are clear.", True, {"answer": "A mass."}),
        ("report", "肺部有肿块。", "肺部正常。", True, {"answer": "肺部有肿块。"}),
    ],
)
def test_an_answer_changes_where_it_says_something_else(
    kind: Kind, one: str, other: str, apart: bool, more: dict[str, Any]
) -> None:
    """Not where it is worded otherwise, or a place moves a little: IoU of 10 x 10 and 10 x 9 is 0.9."""
    asked = dialogue(kind, more.pop("answer", ""), **more)
    view = View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100))
    cases = [grade(asked, RECORDS["a"], text, view, ["cyst", "mass"]) for text in (one, other)]
    assert differs(*cases) is apart


def test_own_questions_are_known_of_another_image_that_came_with_them() -> None:
    """ "Is it large?" is answered no of the other: a yes is due to change. Of an image without it nobody knows."""
    asked = [dialogue("closed", answer, name=f"{r}/q", of=r) for r, answer in (("a", "yes"), ("b", "no"))]
    truth = TruthOfShown("other-patient", RECORDS, asked)
    view = View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100))
    yes, no = (grade(asked[0], RECORDS["a"], text, view, []) for text in ("yes", "no"))
    shown = predicted(asked[0], "no", shown="other-patient", shown_record="b")
    assert truth.shares(yes, no, shown) == {"changed": (1, 1), "due_changed": (1, 1), "due_right": (1, 1)}
    unknown = predicted(asked[0], "no", shown="other-patient", shown_record="n")
    assert truth.shares(yes, no, unknown) == {"changed": (1, 1)}


def test_where_annotation_is_not_exhaustive_nothing_is_due() -> None:
    """A hidden lesion may not be the only one."""
    partial = record(("mass", A), complete=False)
    asked = dialogue("detection", write_detection(partial.findings))
    case = grade(asked, partial, "No.", View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100)), ["mass"])
    found = TruthOfShown("lesion-hidden", {"r": partial}, [asked]).shares(case, case, predicted(asked, "No."))
    assert found == {"changed": (0, 1)}


# ---------------------------------------------------------------------------------------------------- refused


def refused(folder: Path, match: str, **files: tuple[Path, ...]) -> None:
    with pytest.raises(ScoreError, match=match):
        scored(folder, files)


def test_files_that_do_not_belong_are_named(folder: Path) -> None:
    blank = file(folder, "keen", "blank")
    refused(folder, "--sensitivity sft: own predictions of that name are needed; there are keen", sft=(blank,))
    refused(folder, "a second file of images shown as blank", keen=(blank, blank))
    refused(folder, r"keen-own\.jsonl: the model was shown its own images", keen=(file(folder, "keen", "own"),))
    rows = [*read_jsonl(blank, Prediction)]
    write_jsonl(folder / "half.jsonl", rows[:2])
    refused(
        folder,
        r"half\.jsonl: predictions are incomplete: 1 of 3 dialogues have none \(n/d\)",
        keen=(folder / "half.jsonl",),
    )
    strange = predicted(dialogue("detection", name="x"), "No.", shown="blank")
    write_jsonl(folder / "strange.jsonl", [*rows, strange])
    refused(folder, r"strange\.jsonl: answers of another set or split: x", keen=(folder / "strange.jsonl",))
    noise = predicted(ASKED["n"], "No.", shown="noise")
    write_jsonl(folder / "mixed.jsonl", [*rows[:2], noise])
    refused(folder, r"mixed\.jsonl: .*several ways \(2 blank, 1 noise\)", keen=(folder / "mixed.jsonl",))
    hidden = file(folder, "keen", "lesion-hidden", a="No.", b="No.", n="No.")
    refused(folder, r"n/d cannot have been shown as lesion-hidden by these records", keen=(hidden,))
    lost = [predicted(d, "No.", shown="other-patient", shown_record="z") for d in ASKED.values()]
    write_jsonl(folder / "lost.jsonl", lost)
    refused(folder, r"lost\.jsonl: a/d, b/d, n/d: whose image was shown is not among", keen=(folder / "lost.jsonl",))


def test_such_answers_are_no_models_predictions(folder: Path) -> None:
    blank = file(folder, "keen", "blank")
    with pytest.raises(ScoreError, match=r"keen-blank\.jsonl: answers to images that were taken away \(3 blank\)"):
        score(folder / "records.jsonl", folder / "dialogues.jsonl", {"keen": blank}, folder / "out")


def test_the_command_takes_several_files_of_a_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {shown: str(file(folder, "keen", shown)) for shown in SAID["keen"]}
    words = ["score", "--records", str(folder / "records.jsonl"), "--dialogues", str(folder / "dialogues.jsonl")]
    words += ["--predictions", "keen", files.pop("own"), "--out", str(folder / "out"), "--resamples", "50"]
    assert cli.main([*words, "--sensitivity", *[w for one in files.values() for w in ("keen", one)]]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "Does it look at the image?" in told
    assert "keen, other-patient +0.33 (n 3) 0.33 (n 3) 0.50 (n 2)" in told, "each with the answers that it counts"
    assert cli.main([*words, "--sensitivity", "keen"]) == 2
    assert "a name and a file, as often as there are files" in capsys.readouterr().err


def test_every_kind_has_a_truth_that_is_right_of_its_own_image() -> None:
    """The true answer to a question is graded right of what has not changed, so that nothing is due there."""
    r = record(("mass", A), name="a")
    told: dict[str, Dialogue] = {
        "detection": dialogue("detection", write_detection(r.findings), of="a"),
        "localisation": dialogue("localisation", "<box 0 0 10 10>", "mass", of="a"),
        "recognition": dialogue("recognition", "mass", "<box 0 0 10 10>", of="a"),
        "choice": dialogue("choice", "air", of="a", choices=("air", "bone")),
        "open": dialogue("open", "the left lung", of="a"),
    }
    view = View(BOX_FORMATS["json-pixels"], (100, 100), (100, 100))
    for d in told.values():
        case = grade(d, r, "?", view, ["mass"])
        truth = TruthOfShown("elsewhere-hidden", {"a": r}, [d])
        assert truth.shares(case, case, predicted(d, "?"))["undue_changed"] == (0, 1), d


# --------------------------------------------------------------------------------------------------- other questions


def test_only_the_same_questions_are_subtracted(folder: Path) -> None:
    """Of models, and of the lesion against as much elsewhere: of other questions a number would mean nothing."""
    localised = dialogue("localisation", "<box 0 0 10 10>", "mass", name="a/l", of="a", split="test")
    write_jsonl(folder / "dialogues.jsonl", [*ASKED.values(), localised])

    def written(model: str, shown: Shown, more: bool) -> Path:
        rows = [*read_jsonl(file(folder, model, shown), Prediction)]
        rows += [predicted(localised, "[0, 0, 10, 10]", shown=shown)] if more else []
        write_jsonl(folder / f"{model}-{shown}.jsonl", rows)
        return folder / f"{model}-{shown}.jsonl"

    own = {model: written(model, "own", True) for model in ("keen", "blind")}

    def of(**files: tuple[Path, ...]) -> Any:
        inputs = folder / "records.jsonl", folder / "dialogues.jsonl", own, folder / "out"
        return score(*inputs, resamples=20, sensitivity=files)["sections"]["looking"]

    with pytest.raises(ScoreError, match="keen, blank, answers other questions than blind, blank"):
        of(keen=(written("keen", "blank", True),), blind=(written("blind", "blank", False),))
    with pytest.raises(ScoreError, match="keen, lesion-hidden, answers other questions than keen, elsewhere-hidden"):
        of(keen=(written("keen", "lesion-hidden", True), written("keen", "elsewhere-hidden", False)))
    told = of(keen=(written("keen", "lesion-hidden", True), written("keen", "blank", False)))
    assert [one["questions"] for one in told["models"]["keen"].values()] == [3, 3], "nothing of these is subtracted"


def test_probes_are_asked_for_where_a_file_has_some_of_their_way(folder: Path) -> None:
    """Pairs are made apart and of one kind with other closed questions: blank.jsonl has those and no pair, then the
    random pair too; half of that pair is named, and of the popular one nothing is asked."""
    plain = dialogue("closed", "Yes", name="a/c", of="a")
    ways = [("random", "present"), ("random", "absent"), ("popular", "present"), ("popular", "absent")]
    pairs = {
        (way, there): dialogue(
            "closed", "Yes" if there == "present" else "No", name=f"a/{way}/{there}", of="a", pair=f"{way}/a/0"
        )
        for way, there in ways
    }
    write_jsonl(folder / "dialogues.jsonl", [plain, *pairs.values()])
    write_jsonl(folder / "own.jsonl", [predicted(d, "Yes.") for d in (plain, *pairs.values())])

    def questions(*asked: Dialogue) -> int:
        write_jsonl(folder / "blank.jsonl", [predicted(d, "No.", shown="blank") for d in asked])
        inputs = folder / "records.jsonl", folder / "dialogues.jsonl", {"m": folder / "own.jsonl"}, folder / "out"
        told = score(*inputs, resamples=20, sensitivity={"m": (folder / "blank.jsonl",)})["sections"]["looking"]
        found: int = told["models"]["m"]["blank"]["questions"]
        return found

    random = [pairs[ways[0]], pairs[ways[1]]]
    assert questions(plain) == 1 and questions(plain, *random) == 3 and questions(*random) == 2
    with pytest.raises(ScoreError, match=r"blank\.jsonl: predictions are incomplete: .*a/random/absent"):
        questions(plain, random[0])


def test_another_patient_may_be_one_who_is_not_asked_about(folder: Path) -> None:
    """``predict`` shows a the image of b, about which nothing is asked."""
    write_jsonl(folder / "dialogues.jsonl", [ASKED["a"]])
    own = file(folder, "keen", "own", a="Yes.")
    other = file(folder, "keen", "other-patient", a="No.")
    inputs = folder / "records.jsonl", folder / "dialogues.jsonl", {"keen": own}, folder / "out"
    found = score(*inputs, resamples=20, sensitivity={"keen": (other,)})["sections"]["looking"]
    assert found["models"]["keen"]["other-patient"]["questions"] == 1


def test_a_part_has_validation_and_images_taken_away(folder: Path) -> None:
    """--part: a alone is answered. Of the answers without the image a's counts; those on validation all count."""
    held = dialogue("detection", "Yes.", name="v/d", of="v", split="val")
    unasked = dialogue("detection", "Yes.", name="w/d", of="v", split="val")
    write_jsonl(folder / "records.jsonl", [*RECORDS.values(), record(("mass", A), name="v", split="val", patient="4")])
    write_jsonl(folder / "dialogues.jsonl", [*ASKED.values(), held, unasked])
    own, blank = file(folder, "keen", "own", a="Yes."), file(folder, "keen", "blank")
    write_jsonl(folder / "val.jsonl", [predicted(held, "Yes.", options=(-0.1, -2.4))])
    inputs = folder / "records.jsonl", folder / "dialogues.jsonl", {"keen": own}, folder / "out"
    more: dict[str, Any] = {"validation": {"keen": folder / "val.jsonl"}, "sensitivity": {"keen": (blank,)}}
    found = score(*inputs, resamples=20, elsewhere=Elsewhere(part=True), **more)
    assert found["part"] == {"asked": 1, "of": 3}
    assert found["sections"]["looking"]["models"]["keen"]["blank"]["questions"] == 1
    write_jsonl(folder / "keen-blank.jsonl", [*read_jsonl(blank, Prediction)][1:])
    with pytest.raises(ScoreError, match="it has no answer to a question that every model has answered"):
        score(*inputs, resamples=20, elsewhere=Elsewhere(part=True), **more)
    write_jsonl(folder / "keen-blank.jsonl", [*read_jsonl(file(folder, "keen", "blank"), Prediction)][:2])
    whole = inputs[:2], {"keen": file(folder, "keen", "own")}, inputs[3]
    with pytest.raises(ScoreError, match=r"incomplete: 1 of 3 .*score --part` score what is answered"):
        score(*whole[0], *whole[1:], resamples=20, sensitivity={"keen": (blank,)})
    found = score(*whole[0], *whole[1:], resamples=20, elsewhere=Elsewhere(part=True), sensitivity={"keen": (blank,)})
    assert found["sections"]["looking"]["models"]["keen"]["blank"]["questions"] == 2, "though its own are all there"
    with pytest.raises(ScoreError, match=r"val\.jsonl: predictions are incomplete.*--part"):
        score(*inputs[:2], {"keen": file(folder, "keen", "own")}, inputs[3], resamples=20, **more | {"sensitivity": {}})


def test_room_beside_a_lesion_is_looked_for_once_an_image_and_only_where_images_were_taken_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two questions on each of three images; what is drawn needs three looks, a score without such files none."""
    looks: list[str] = []
    monkeypatch.setattr(sensitivity, "lacks", lambda record: looks.append(record.id))
    twice = [replace(d, id=f"{d.id}{i}") for d in ASKED.values() for i in range(2)]
    sensitivity.examples(RECORDS, twice, seed=0)
    assert sorted(looks) == ["a", "b", "n"]
    files = PredictionFiles(RECORDS, ASKED, Path(), Elsewhere())
    assert files.without_images({}, {"keen": "keen.jsonl"}, list(ASKED.values()), seed=0) == {} and len(looks) == 3
