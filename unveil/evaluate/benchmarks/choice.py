"""Benchmarks of multiple choice: PMC-VQA, OmniMedVQA, MedXpertQA-MM, MMMU's medical subjects, MedMNIST as questions."""

from unveil.evaluate.benchmarks.benchmark import Benchmark, by_part

METRICS = ("choice",)
WORDING = "as published, the options below it with a letter each, in the published order"
PARSER = "the option that is named by its letter, its text or both; two at once, or none, is wrong and counted"

CHOICE: tuple[Benchmark, ...] = (
    Benchmark(
        "pmc-vqa",
        "PMC-VQA",
        ("pmc-vqa",),
        ("choice",),
        METRICS,
        WORDING,
        PARSER,
        "the published test split of the version that is in the folder",
        notes=(
            "Questions were written by a language model. The first version has 50,000 test questions, of which people "
            "have looked at 2,000 (test_clean.csv alone asks these); the second has 33,430.",
        ),
    ),
    Benchmark(
        "omnimedvqa",
        "OmniMedVQA",
        ("omnimedvqa",),
        ("choice",),
        METRICS,
        WORDING,
        PARSER,
        "all questions of the part that is open: the set has no training split",
        88996,
        notes=(
            "The size is that of the open part of 42 sets; the others need their makers' leave.",
            "The images are those of public sets that a model may have learnt from.",
        ),
    ),
    Benchmark(
        "medxpertqa-mm",
        "MedXpertQA-MM",
        ("medxpertqa-mm",),
        ("choice",),
        METRICS,
        WORDING,
        PARSER,
        "the published test split, without questions that show several images",
        2000,
        notes=("Questions with several images are left out, so that figures are those of a part of the benchmark.",),
    ),
    Benchmark(
        "mmmu-med",
        "MMMU (Health & Medicine)",
        ("mmmu-med",),
        ("choice",),
        METRICS,
        WORDING,
        PARSER,
        "the published validation split, since the answers of test are withheld; multiple choice with one image",
        150,
        group=by_part,
        group_title="subject",
        notes=("Questions with several images, or without options, are left out and counted.",),
    ),
    Benchmark(
        "medmnist",
        "MedMNIST as questions",
        ("medmnist",),
        ("choice",),
        METRICS,
        "one question for each set, such as `Which organ is shown?`, the classes below it with a letter each",
        PARSER,
        "the published test split of each set that is there",
        group=by_part,
        group_title="set",
        notes=(
            "Published figures are of classifiers that were trained for one set each, not of answers in words.",
            "ChestMNIST has several labels an image, and so no such question: it is left out.",
        ),
    ),
)
