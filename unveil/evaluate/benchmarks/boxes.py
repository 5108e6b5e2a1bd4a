"""Benchmarks of places: a box for a name, for a phrase of a report, or for all that an image shows."""

from unveil.evaluate.benchmarks.benchmark import Benchmark

NAMED = "`Where is the NAME?`"
PHRASE = "`Where is this seen: PHRASE?`, in the phrase's language where it has a wording"
PARSER = (
    "boxes in the format that is declared with the model, never guessed; several are matched with the true ones by the "
    "Hungarian method; what is no box is unparsable, and counted"
)
LOCALISED = ("localisation_iou",)
GROUNDED = ("grounding_iou", "grounding_iou50")

BOXES: tuple[Benchmark, ...] = (
    Benchmark(
        "slake-boxes",
        "SLAKE, organs and lesions",
        ("slake",),
        ("localisation",),
        LOCALISED,
        NAMED,
        PARSER,
        "the images of the published test split",
        notes=("Nobody publishes figures of boxes on SLAKE: there is no protocol but this one.",),
    ),
    Benchmark(
        "ms-cxr",
        "MS-CXR",
        ("ms-cxr",),
        ("grounding",),
        GROUNDED,
        PHRASE,
        PARSER,
        "the images that MIMIC-CXR has in its test split, as far as the folder tells it; else the split of MS-CXR 1.1",
        protocol="Boecking et al., Making the Most of Text Semantics to Improve Biomedical Vision-Language Processing, "
        "2022, arXiv 2204.09817",
        notes=(
            "MS-CXR's own split and that of MIMIC-CXR contradict each other for at least 166 boxes.",
            "A phrase may have several boxes: they are matched one to one, where others take their union.",
            "Others ask about all 1,162 phrases, whatever split their images are in.",
        ),
    ),
    Benchmark(
        "vindr-cxr",
        "VinDr-CXR",
        ("vindr-cxr",),
        ("diagnosis", "localisation"),
        ("f1_50_named", "f1_50", "localisation_iou"),
        f"`Give the diagnosis: detection, localisation, recognition.`; {NAMED}",
        PARSER,
        "the published test split, on which five readers agreed",
        notes=(
            "Detectors are published by average precision at IoU 0.4; an answer in words is one point of that curve.",
        ),
    ),
    Benchmark(
        "padchest-gr",
        "PadChest-GR",
        ("padchest-gr",),
        ("grounding",),
        GROUNDED,
        PHRASE,
        PARSER,
        "the published test split, sentences in Spanish and English",
        notes=("A place is right by the boxes of all its readers together.",),
    ),
    Benchmark(
        "deeplesion",
        "DeepLesion",
        ("deeplesion",),
        ("localisation",),
        LOCALISED,
        NAMED,
        PARSER,
        "the published test split",
        notes=(
            "Boxes are measurements with 5 pixels around them, not outlines of lesions.",
            "Not every lesion is marked, so that a further box is no proven false alarm; detectors are published by "
            "their sensitivity at a number of false alarms per image.",
        ),
    ),
)
