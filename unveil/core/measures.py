"""What is measured, in words: the metrics that scores hold, by their names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A metric in words. ``better`` is 1 where more is better, -1 where less is, 0 where nobody has said."""

    group: str
    name: str
    meaning: str
    better: int = 1
    unit: str = "share"


DIAGNOSIS = "The diagnosis: is anything abnormal, where, and what is it"
ASKED = "Asked one thing at a time"
REPORTS = "Reports"
OWN = "Questions that came with the images"
FORM = "All answers"
OTHER = "Other measures"

#: In the order of the table; metrics that are not here follow under their own names.
MEASURES = {
    "f1_50_named": Measure(DIAGNOSIS, "Found and named (F1)", "Box overlaps a true one by half and bears its name."),
    "f1_50": Measure(DIAGNOSIS, "Found (F1)", "The same, whatever the name: found boxes against missed and surplus."),
    "iou": Measure(DIAGNOSIS, "Overlap of boxes (IoU)", "0: boxes do not touch; 1: they are the same.", unit="ratio"),
    "iou50": Measure(DIAGNOSIS, "Right place", "Findings of abnormal images whose box overlaps the true one by half."),
    "accuracy": Measure(DIAGNOSIS, "Right name", "Findings of abnormal images that are named, wherever they are."),
    "diagnosis_detection": Measure(DIAGNOSIS, "Abnormal or not", "The mean of the next two."),
    "diagnosis_sensitivity": Measure(DIAGNOSIS, "Sensitivity", "Abnormal images that are called abnormal."),
    "diagnosis_specificity": Measure(DIAGNOSIS, "Specificity", "Normal images that are called normal."),
    "detection": Measure(ASKED, "Abnormal or not", "“Is anything abnormal?” The mean of the next two."),
    "sensitivity": Measure(ASKED, "Sensitivity", "Abnormal images that are called abnormal."),
    "specificity": Measure(ASKED, "Specificity", "Normal images that are called normal."),
    "localisation_iou": Measure(ASKED, "Place for a name (IoU)", "“Where is the …?”, when it is there.", unit="ratio"),
    "localisation_refusal": Measure(ASKED, "Refusal of a name", "“Where is the …?”, when it is not there."),
    "grounding_iou": Measure(ASKED, "Place for a phrase (IoU)", "“Where is this seen: …?”", unit="ratio"),
    "grounding_iou50": Measure(ASKED, "Right place for a phrase", "Phrases whose boxes overlap the true ones by half."),
    "recognition": Measure(ASKED, "Name for a place", "“What is in this region?”, when something is."),
    "recognition_refusal": Measure(ASKED, "Refusal of a place", "“What is in this region?”, when nothing is."),
    "report_rougeL": Measure(REPORTS, "Words in common (ROUGE-L)", "Longest common sequence of words, F1, by report."),
    "report_found": Measure(REPORTS, "Findings named (F1)", "Names that report and reference find, over all reports."),
    "report_denied": Measure(REPORTS, "Findings denied (F1)", "The same of what both say is not there."),
    "closed": Measure(OWN, "Closed questions", "Questions with a few possible answers, such as yes and no."),
    "choice": Measure(OWN, "Multiple choice", "Questions with options to choose from; the mark is a guess."),
    "choice_likelihood": Measure(OWN, "Multiple choice (likeliest)", "The option that the model holds most likely."),
    "open_recall": Measure(OWN, "Open questions (recall)", "Words of the true answer that the answer holds."),
    "open_f1": Measure(OWN, "Open questions (F1)", "Words that both answers share, surplus words counted against it."),
    "exact": Measure(OWN, "Exact answers", "Closed and open questions answered word for word."),
    "question_accuracy": Measure(FORM, "All questions", "Right answers to questions of all kinds but the diagnosis."),
    "parse_failures": Measure(FORM, "Unreadable answers", "Nothing that was asked for can be read from them.", -1),
}
