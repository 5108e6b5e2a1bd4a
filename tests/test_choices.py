"""Multiple choice: what is listed, and which option an answer chooses, by hand."""

from __future__ import annotations

import pytest

from unveil.core.choices import index_of, listed, read_choice, write_choice

FOUR = ("edema", "Pneumonia", "a mass of 3 cm", "No finding")


def test_options_have_letters_and_lines_of_their_own() -> None:
    assert listed("What is it?", FOUR[:2]) == "What is it?\nA. edema\nB. Pneumonia"
    assert write_choice(FOUR, 1) == "B. Pneumonia"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "B",
            "b",
            "(B)",
            "B.",
            "b)",
            "**B**",
            "B. Pneumonia",
            "B) pneumonia.",
            "(B) Pneumonia",
            "B: pneumonia",
            "B pneumonia",
        ),
        *(
            "Answer: B",
            "The answer is B.",
            "The correct answer is (B) because of the air",
            "answer: b",
            "Option B",
            "option B.",
        ),
        *("Pneumonia", "pneumonia.", "The answer is pneumonia.", "Answer: Pneumonia", "B. It looks like pneumonia"),
        *("\\boxed{B}", "<answer>B</answer>", "Ｂ", "答案：B", "答案是B。", "选B", "La respuesta es B.", "opción B"),
        "A. edema: no effusion.\nB. Pneumonia: consolidation.\nAnswer: B",
        "Not (A), since it is on one side. Option A is wrong. The answer is B.",
        "Option A is wrong, option B fits",
        "Let me see. The best choice is (B).",
    ],
)
def test_an_answer_that_chooses_the_second(text: str) -> None:
    assert read_choice(text, FOUR) == 1


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "?",
            "Who knows",
            "E",
            "Z. Pneumonia",
            "A nodule is seen",
            "Answer: A nodule",
            "I think so",
            "pneumonia or edema",
        ),
        *("A and B", "A or B", "A, B", "A/B", "A. or B.", "(A) (B)", "A. edema\nB. Pneumonia", "Answer: A. Answer: B."),
        "Answer: B, C",
        "The answer is B and C.",
        "B. edema",  # the letter of one, the text of another
        "A mass of 4 cm",
        "The answer is not B",
        "Option B is wrong",
    ],
)
def test_an_answer_that_chooses_none_or_two(text: str) -> None:
    assert read_choice(text, FOUR) is None


def test_an_option_may_begin_with_a_letter_or_name_others() -> None:
    """ "a mass" is the third's text, not the letter A; a vitamin's letters are its own; yes and no have no letters."""
    assert read_choice("A mass of 3 cm", FOUR) == 2
    assert read_choice("C. A mass of 3 cm", FOUR) == 2
    assert read_choice("B. Vitamin C or D", ("Vitamin A", "vitamin C or D")) == 1
    assert read_choice("no", ("yes", "no")) == 1 and read_choice("A", ("B", "A")) == 0


def test_options_that_are_one_are_chosen_by_letter_only() -> None:
    assert index_of(("cyst", "Cyst.", "mass"), "cyst") is None
    assert read_choice("cyst", ("cyst", "Cyst.", "mass")) is None
    assert read_choice("B. cyst", ("cyst", "Cyst.", "mass")) == 1


def test_signs_and_numbers_tell_options_apart() -> None:
    """Options that differ in a sign only are not the same, and one without any word stands for itself."""
    assert index_of(("< 3 cm", "> 3 cm"), ">3 cm") == 1
    assert index_of(("HER2-", "HER2+"), "HER2+") == 1 and index_of(("?", "!"), "!") == 1


@pytest.mark.parametrize("choices", [("B", "A/B", "0"), ("cyst", "mass", "5_a", "C 5_a")])
def test_an_option_as_it_is_written_is_that_option(choices: tuple[str, ...]) -> None:
    """ "A. B" is the first of B and A/B, whose words are "A. B" too, and "C. 5_a" the third, for all of the fourth."""
    assert [read_choice(write_choice(choices, i), choices) for i in range(len(choices))] == list(range(len(choices)))
