"""Benchmarks of reports: IU X-Ray and MIMIC-CXR in R2Gen's splits."""

from unveil.evaluate.benchmarks.benchmark import Benchmark

METRICS = ("report_rougeL", "report_found", "report_denied")
WORDING = "the report's findings and impression are asked for, in the package's own words"
PARSER = "the whole answer beside the whole reference; names that are found and denied are read in English"

REPORTS: tuple[Benchmark, ...] = (
    Benchmark(
        "iu-xray",
        "IU X-Ray (R2Gen)",
        ("iu-xray",),
        ("report",),
        METRICS,
        WORDING,
        PARSER,
        "R2Gen's test split, one image of each study",
        590,
        report=True,
        notes=(
            "R2Gen scores against what its own vocabulary leaves of a reference (small letters, 60 words at the most): "
            "its figures cannot be compared with these, which are against whole reports.",
            "BLEU is sacrebleu's over the corpus; METEOR needs WordNet, and is left out where that is not installed.",
        ),
    ),
    Benchmark(
        "mimic-cxr",
        "MIMIC-CXR (R2Gen)",
        ("mimic-cxr-r2gen",),
        ("report",),
        METRICS,
        WORDING,
        PARSER,
        "R2Gen's test split, one image of each study",
        report=True,
        notes=(
            "R2Gen counts a study once for each of its images, 3,858 in all; here each counts once.",
            "Its references are cut to 100 words and lower-cased: its figures cannot be compared with these.",
            "Reports speak of earlier studies, which nobody can tell from the image alone.",
        ),
    ),
)
