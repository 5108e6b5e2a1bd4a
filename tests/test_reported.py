"""What reports find and deny, how they are asked for, graded, falsified and rewarded: by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.answered import CYST, NODULE, answered
from tests.helpers.outcomes import dialogue, outcome, predicted, record
from unveil import cli
from unveil.audit.contradictions import fault
from unveil.core import wordings
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue
from unveil.core.report_sections import part
from unveil.core.reported import ReportComparison, reported
from unveil.curate.candidates import pair_of
from unveil.curate.hallucinate import balanced
from unveil.curate.mau import MauOptions, mau
from unveil.curate.noise import is_negative, spoken_of
from unveil.curate.relevance import severity
from unveil.curate.rules import Rules
from unveil.evaluate.metrics import outcomes
from unveil.rl.rewards import REWARDS, named
from unveil.rl.text_rewards import bleu, findings, similarity

NAMES = ("effusion", "mass", "nodule")
REPORT = "FINDINGS: A nodule in the left lung. No effusion.\nIMPRESSION: Nodule, unchanged."


@pytest.mark.parametrize(
    ("text", "found", "denied"),
    [
        ("A nodule. No effusion or mass.", {"nodule"}, {"effusion", "mass"}),
        ("No effusion on the left. Small effusion on the right.", {"effusion"}, set()),
        ("Possible mass.", {"mass"}, set()),
        ("The heart is normal.", set(), set()),
        ("", set(), set()),
    ],
)
def test_what_is_found_and_what_is_denied(text: str, found: set[str], denied: set[str]) -> None:
    read = reported(text, NAMES)
    assert (read.found, read.denied) == (found, denied)


def test_chest_radiographs_are_read_where_nothing_is_annotated() -> None:
    read = reported("The heart is enlarged. No effusion or pneumothorax. Bibasilar opacities, pulmonary edema.", ())
    assert read.found == {"cardiomegaly", "lung opacity", "pulmonary oedema"}
    assert read.denied == {"pleural effusion", "pneumothorax"}


def graded(said: str, true: str, **more):
    return outcome(record(("nodule", (0, 0, 9, 9)), ("mass", None)), dialogue("report", true, **more), said)


def test_negation_flip() -> None:
    """One word apart, ROUGE-L 2 x 2 / (3 + 2), and nothing of what is found is right: 1 missed, F1 0 of 1."""
    flipped = graded("No nodule.", "A nodule.")
    assert flipped.sums["report_found"] == (0, 1) and flipped.sums["report_denied"] == (0, 1)
    assert flipped.failures == ("missed",) and flipped.right is None
    assert graded("A nodule.", "A nodule.").sums["report_found"] == (2, 2)


def test_normal_beside_normal_counts_nothing() -> None:
    """RadGraph and GREEN give 0, RaTEScore 0.5: here neither side names anything, so F1 has nothing to count."""
    normal = graded("No abnormality.", "The lungs are clear.")
    assert normal.sums["report_found"] == normal.sums["report_denied"] == (0, 0) and not normal.failures


def test_what_the_annotations_have_is_not_invented() -> None:
    """The reference leaves out the mass, which is annotated; an effusion is nowhere."""
    others = record(("effusion", None), name="other")
    r, asked_for = record(("nodule", None), ("mass", None)), dialogue("report", "A nodule.")
    [found] = outcomes([r, others], [asked_for], [predicted(asked_for, "A nodule, a mass and an effusion.")])
    assert found.failures == ("false alarm",) and found.sums["report_found"] == (2, 4)


def test_no_reference_and_no_answer_are_told_apart() -> None:
    without = graded("A nodule.", " ")
    assert (
        without.left_out == ("report_rougeL", "report_found", "report_denied") and "report_rougeL" not in without.sums
    )
    empty = graded("", "A nodule.")
    assert empty.empty and empty.status == "unparsable" and empty.sums["report_rougeL"] == (0, 1)


def test_names_are_read_in_english_only() -> None:
    chinese = graded("右肺结节", "右肺结节")
    assert chinese.left_out == ("report_found", "report_denied") and chinese.sums["report_rougeL"] == (1, 1)
    assert graded("nodule", "nodule", language="es").left_out == ("report_found", "report_denied")


# ------------------------------------------------------------------------------------------------------------- asking


def asked(*parts: str, split: str = "test", **more) -> tuple[list[Dialogue], Counter[str]]:
    skipped: Counter[str] = Counter()
    one = replace(record(("nodule", (0, 0, 9, 9))), report=REPORT, split=split, **more)  # type: ignore[arg-type]
    made = mau([one], MauOptions(report_sections=parts), skipped=skipped)  # type: ignore[arg-type]
    return [d for d in made if d.kind == "report"], skipped


def test_parts_of_reports_are_asked_for() -> None:
    made, _ = asked("findings", "impression", "report")
    assert [d.answer for d in made[:2]] == ["A nodule in the left lung. No effusion.", "Nodule, unchanged."]
    assert made[2].answer == "\n".join(d.answer for d in made[:2])
    assert made[0].question == "Write the findings of a report for this image." and made[0].target == "findings"
    assert [d.id for d in made] == ["r/report/findings", "r/report/impression", "r/report/report"]
    assert not asked()[0], "by default no report is asked for"


def test_a_report_without_the_part_is_counted() -> None:
    made, skipped = asked("impression", sections={"findings": "A nodule."})
    assert not made and skipped["report: no impression"] == 1


def test_reports_are_asked_for_in_their_language() -> None:
    [made] = asked("findings", language="zh", sections={"findings": "右肺结节。"})[0]
    assert made.question == "请写出这张图像的影像所见。" and made.language == "zh"
    assert asked("findings", language="fr")[0][0].question.startswith("Write")


def test_what_a_question_asks_for_is_read_back() -> None:
    for language in wordings.REPORT_IN_LANGUAGE:
        for form in wordings.wordings("report", language):
            for target in ("findings", "impression", "report"):
                assert wordings.asked_about("report", wordings.filled("report", form, target, language)) == target
    assert wordings.asked_about("report", "Write a poem.") is None


def test_sentences_about_an_earlier_study_are_left_out() -> None:
    one = replace(record(), report="FINDINGS: A nodule. It is unchanged.")
    assert part(one, "findings", "drop") == "A nodule." and part(one, "impression") == ""


def test_nothing_to_ask_says_what_there_is_to_do(tmp_path, capsys) -> None:
    write_jsonl(tmp_path / "r.jsonl", [replace(record(complete=False), report="A nodule.")])
    words = ["curate", "mau", "--records", str(tmp_path / "r.jsonl"), "--out", str(tmp_path / "d.jsonl")]
    assert cli.main(words) and "--report-sections asks for reports" in capsys.readouterr().err
    assert (
        cli.main([*words, "--report-sections", "impression"]) and "no report has impression" in capsys.readouterr().err
    )
    assert cli.main([*words, "--report-sections", "report"]) == 0
    [made] = read_jsonl(tmp_path / "d.jsonl", Dialogue)
    assert made.answer == "A nodule."


# -------------------------------------------------------------------------------------------------------------- pairs


def ruled(report: str, *labels: str) -> tuple[Rules, Dialogue]:
    one = replace(record(*((n, (0.0, 0.0, 9.0, 9.0)) for n in labels), name="a"), report=report, split="train")
    other = replace(record(("effusion", None), ("mass", None), ("nodule", None), name="b"), split="train")
    [made] = [d for d in mau([one], MauOptions(report_sections=("report",))) if d.kind == "report"]
    return Rules([one, other]), made


def wrong(report: str, *labels: str) -> set[str | None]:
    rules, made = ruled(report, *labels)
    return {rules.wrong(made, np.random.default_rng(seed)) for seed in range(30)}


def test_one_finding_is_denied_or_invented() -> None:
    """The sentence that finds is denied, the one that denies is affirmed; the third stays."""
    told = "A nodule in the left lung. No effusion. The heart is normal."
    denied = "There is no nodule. No effusion. The heart is normal."
    invented = "A nodule in the left lung. There is an effusion. The heart is normal."
    assert wrong(told, "nodule") == {denied, invented}


def test_where_nothing_is_denied_something_is_put_in() -> None:
    """Of effusion, mass and nodule the nodule is there; what denies all is replaced."""
    put_in = {f"CT. There is {new}. A nodule." for new in ("an effusion", "a mass")}
    assert wrong("CT. A nodule.", "nodule") == {"CT. There is no nodule.", *put_in}
    assert wrong("CT. No abnormality is seen.") == {
        f"CT. There is {new}." for new in ("an effusion", "a mass", "a nodule")
    }


def test_what_is_denied_is_found_nowhere_else() -> None:
    """An impression says again what was found: with its sentence left as it is, the report would still be right. The
    mass of the first sentence cannot be denied alone, since what it says of the nodule is true."""
    told = "A nodule is seen. The heart is normal. Impression: small nodule."
    assert "There is no nodule. The heart is normal." in wrong(told, "nodule", "effusion", "mass")
    assert {
        text for text in wrong("A nodule and a mass. The mass is large.", "nodule", "mass") if "no " in str(text)
    } == {"There is no mass or nodule."}


def test_what_is_invented_is_denied_nowhere_else() -> None:
    """Nor that anything is there at all."""
    told = "No effusion. The heart is normal. No effusion. No abnormality."
    assert wrong(told, "nodule") == {
        "There is an effusion. The heart is normal.",
        "The heart is normal. There is an effusion.",
    }
    assert wrong("No mass. No mass or effusion.") == {"There is a mass.", "No mass. There is an effusion."}


@pytest.mark.parametrize(
    "told",
    ["A nodule. No mass. The nodule is small.", "Clear. No effusion. No mass or effusion.", "A mass. A mass. A mass."],
)
def test_a_wrong_report_is_in_conflict_with_the_true_one(told: str) -> None:
    rules, made = ruled(told)
    assert all(text and rules.conflict(made, text) > 0 for text in wrong(told))


def test_a_report_in_another_words_is_not_wrong() -> None:
    """Found both times, F1 1: no conflict. A mass beside the nodule: F1 2/3."""
    rules, made = ruled("A nodule. No effusion.", "nodule")
    assert rules.conflict(made, "Nodule, otherwise clear.") == 0
    assert rules.conflict(made, "A nodule and a mass.") == pytest.approx(1 / 3)
    assert rules.understood("Write the report for this image.", made) is not None


def test_a_pair_of_reports_has_a_weight_and_noise_hides_what_it_speaks_of() -> None:
    rules, made = ruled("A nodule.", "nodule")
    pair = pair_of(made, "hallucinated", made.answer, "There is no nodule.", "rules")
    assert severity(pair, rules) == severity(replace(pair, rejected="No nodule."), rules) != 0.5
    assert [f.label for f in spoken_of(made, rules.record(made))] == ["nodule"]
    assert is_negative(made, record()) and balanced([pair], 0, Counter()) == [pair]


def test_the_audit_tells_reports_that_say_the_same() -> None:
    """Other words for one finding on one side; a finding denied; the other side of the body."""
    _, made = ruled("A nodule on the left.", "nodule")
    pair = pair_of(made, "hallucinated", made.answer, "On the left there is a nodule.", "rules")
    assert fault(pair, NAMES) == "same"
    for worse in ("No nodule on the left.", "A nodule on the right."):
        assert fault(replace(pair, rejected=worse), NAMES) is None


# ------------------------------------------------------------------------------------------------------------ rewards


def test_rewards_of_reports_are_the_metrics() -> None:
    """ROUGE-L of "a cyst" beside "a nodule": 1 of 2 words each way. Found: none of cyst, nodule."""
    one = answered("report", "A cyst.", NODULE, CYST, answer="A nodule.")
    assert similarity(one) == one.outcome.sums["report_rougeL"][0] == 1 / 2
    assert findings(one) == 0 and findings(answered("report", "A nodule. No cyst.", answer="A nodule.")) == 2 / 3
    assert bleu(answered("report", "A nodule.", answer="A nodule.")) == pytest.approx(1)


def test_rewards_without_a_verdict() -> None:
    assert findings(answered("report", "Clear.", answer="Clear.")) is None
    for name in ("bleu", "findings", "radgraph"):
        assert np.isnan(named(name, 1.0)(answered("open", "a", answer="a"))), name
        assert np.isnan(named(name, 1.0)(answered("report", "a", answer=""))), name
    assert similarity(answered("report", "a", answer="")) is None and "radgraph" in REWARDS


def test_to_name_everything_does_not_pay() -> None:
    """Of cyst, mass and nodule one is there: 2 x 1 / (3 + 1), against 1 of the truth."""
    every = answered("report", "A cyst, a mass and a nodule.", answer="A nodule.")
    assert findings(every) == 1 / 2


def test_compared_by_hand() -> None:
    compared = ReportComparison(reported("A mass. No nodule.", NAMES), reported("A nodule. No effusion.", NAMES))
    assert compared.counts == (0, 1, 1, 0, 1, 1) and compared.conflict == 1
    assert (compared.missed, compared.invented) == (["nodule"], ["mass"])
