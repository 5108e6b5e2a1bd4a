"""Scores in the terminal: what the star says, and how wide a table is."""

from __future__ import annotations

from tests.helpers.outcomes import dialogue, predicted, record
from unveil.core.jsonl import write_jsonl
from unveil.evaluate.score import score
from unveil.evaluate.score_table import show_scores


def scored(folder, right: dict[str, int], patients: int = 30):
    """One closed question to each patient, of which each model answers the first so many rightly."""
    records = [record(name=f"r{i}", patient=f"p{i}", split="test") for i in range(patients)]
    asked = [dialogue("closed", "yes", name=f"r{i}/q", of=f"r{i}") for i in range(patients)]
    write_jsonl(folder / "records.jsonl", records)
    write_jsonl(folder / "dialogues.jsonl", asked)
    files = {model: folder / f"{model}.jsonl" for model in right}
    for model, file in files.items():
        write_jsonl(file, [predicted(d, "yes" if i < right[model] else "no") for i, d in enumerate(asked)])
    return score(folder / "records.jsonl", folder / "dialogues.jsonl", files, folder / "out", resamples=400)


def test_a_star_marks_what_stands_among_all_metrics(tmp_path, capsys):
    """All questions are these closed ones, of 30 patients. Six more right than sft: p 2 / 2^6 = 0.031, among more than
    one metric above 0.05, and no star. Twelve more: 2 / 2^12, which stands among any few."""
    result = scored(tmp_path, {"base": 4, "sft": 8, "six": 14, "twelve": 20})
    apart = {name: result["differences"][name]["sft"]["question_accuracy"] for name in ("six", "twelve")}
    assert apart["six"]["excludes_zero"] and apart["six"]["p"] == 2 / 2**6 and apart["six"]["p_holm"] > 0.05
    assert apart["twelve"]["p"] == 2 / 2**12 and apart["twelve"]["p_holm"] < 0.05
    show_scores(result)
    told = capsys.readouterr().err.partition("Paired differences from sft")[2]
    assert "*: p <= 0.05 by Holm" in told
    rows = {line.split()[0]: line for line in told.splitlines() if line.split()[:1] in (["six"], ["twelve"])}
    assert "+0.20 [" in rows["six"] and "*" not in rows["six"]
    assert "+0.40 [" in rows["twelve"] and rows["twelve"].count("]*") == 1
