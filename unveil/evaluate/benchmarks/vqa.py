"""Benchmarks of short questions about images: VQA-RAD, SLAKE in two languages, PathVQA."""

from unveil.evaluate.benchmarks.benchmark import SHORT, SHORT_ZH, Benchmark

#: What LLaVA-Med's evaluation, and most papers after it, call the accuracy of closed and the recall of open questions.
LLAVA_MED = ("llava_med_closed", "llava_med_open_recall")
METRICS = ("closed", "open_recall", "open_f1", "exact")
WORDING = "as published, with a line below that asks for a single word or phrase"
PARSER = (
    "closed: yes or no as whole words, one of them and not both, else the normalised text; open: the words of the "
    "answer, each counted once; what cannot be read is wrong, and counted"
)

VQA: tuple[Benchmark, ...] = (
    Benchmark(
        "vqa-rad",
        "VQA-RAD",
        ("vqa-rad",),
        ("closed", "open"),
        METRICS,
        WORDING,
        PARSER,
        "the published test questions; beside it those about images that no training question shows",
        451,
        suffix=SHORT,
        published=(*LLAVA_MED, "medevalkit_vqa_rad_closed", "medevalkit_open_exact"),
        beside="vqa-rad-images",
        notes=(
            "Questions were dealt to the splits, not images: 202 of the 203 test images are training images too, so "
            "that a model trained on the published training split has seen nearly all of them.",
        ),
    ),
    Benchmark(
        "vqa-rad-images",
        "VQA-RAD, by image",
        ("vqa-rad",),
        ("closed", "open"),
        METRICS,
        WORDING,
        PARSER,
        "all questions about the images of the published test split, those of the training split too: images are "
        "disjoint from those of training if nothing was learnt from test images, as training leaves them out",
        suffix=SHORT,
        whole=True,
        notes=(
            "Other papers publish no figures by image: none can be compared with these.",
            "A model trained on the published training split has learnt some of these very questions.",
        ),
    ),
    Benchmark(
        "slake",
        "SLAKE (English)",
        ("slake",),
        ("closed", "open"),
        METRICS,
        WORDING,
        PARSER,
        "the English questions of the published test split; beside it those about images that no training question of "
        "either language shows",
        1061,
        "en",
        SHORT,
        (*LLAVA_MED, "medevalkit_slake_closed", "lmms_eval_slake_closed", "lmms_eval_slake_open"),
        notes=(
            "61 of the 416 closed questions are answered by something else than yes or no.",
            "Each language is image-disjoint in itself; a model trained on both has seen most test images.",
        ),
    ),
    Benchmark(
        "slake-zh",
        "SLAKE (Chinese)",
        ("slake",),
        ("closed", "open"),
        METRICS,
        "as published, with a line below in Chinese that asks for a word or a phrase",
        f"{PARSER}; of Chinese, characters are the words",
        "the Chinese questions of the published test split; beside it those about images that no training question of "
        "either language shows",
        1033,
        "zh",
        SHORT_ZH,
        ("lmms_eval_slake_closed", "lmms_eval_slake_open"),
        notes=("72 of the 96 test images stand in the English training split.",),
    ),
    Benchmark(
        "pathvqa",
        "PathVQA",
        ("pathvqa",),
        ("closed", "open"),
        METRICS,
        WORDING,
        PARSER,
        "the published test split",
        6719,
        suffix=SHORT,
        published=("llava_med_pathvqa_closed", "llava_med_open_recall", "medevalkit_open_exact"),
        notes=("No answer type is stated: closed is what is answered by yes or no.",),
    ),
)
