"""Benchmarks that are made of several sets or tasks: UMed-LVLM's diagnoses, FLARE-MLLM-2D."""

from unveil.evaluate.benchmarks import flare
from unveil.evaluate.benchmarks.benchmark import Benchmark, by_source

UMED = ("deeplesion", "kits23", "kvasir-seg", "nih-chestxray14", "tbx11k")

TASKS: tuple[Benchmark, ...] = (
    Benchmark(
        "umed-mau",
        "MAU diagnoses (UMed-LVLM)",
        UMED,
        ("diagnosis",),
        ("accuracy", "iou", "iou50"),
        "`Give the diagnosis: detection, localisation, recognition.`",
        "three lines, of which the names count for accuracy and the boxes for IoU; what is not in this form is "
        "unparsable, and counted",
        "the published test split of each set; where a set publishes none, a fifth of its patients, dealt by seed",
        group=by_source,
        group_title="source",
        protocol="UMed-LVLM, 2025, arXiv 2501.01377",
        notes=(
            "The paper's 5,817 images, its split and the wording of its questions are not published: figures stand "
            "beside its own, and cannot equal them.",
            "KiTS19 or another kidney set may be the paper's; KiTS23 is read here.",
        ),
    ),
    Benchmark(
        "flare-mllm-2d",
        "FLARE-MLLM-2D",
        ("flare-mllm-2d",),
        ("closed", "choice", "open", "grounding"),
        ("grounding_iou", "grounding_iou50", "choice", "closed", "open_f1", "exact"),
        "as published, of detection too",
        "a class by its words, several by the words that both lists have; boxes in the format that is declared with "
        "the model; a number where an answer holds one",
        "the images that are published for validation, since answers of test are withheld",
        further=flare.figures,
        group=flare.by_set,
        group_title="set",
        notes=(
            "Options stand within most questions, with a letter each; the letter alone is the true answer.",
            "Beside ours stand FLARE's own figures: F1 of all boxes at IoU 0.5 and 0.3, balanced accuracy, F1 of "
            "labels, and mean absolute errors in which an answer without a number is a 0; over all sets at once.",
            "FLARE scores reports by GREEN, which is not among these figures: their answers are open ones here.",
            "Questions about several images are left out.",
        ),
    ),
)
