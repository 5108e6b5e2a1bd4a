"""Predictions of others: told by what they hold, matched by id, written and read back; what does not fit is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.outcomes import SIZE, dialogue, predicted, record
from unveil import cli
from unveil.core.box_formats import mark
from unveil.core.grading import ScoreError
from unveil.core.jsonl import read_jsonl, write_jsonl
from unveil.core.records import Dialogue, Prediction, RecordError, Source
from unveil.evaluate.exchange.forms import Given
from unveil.evaluate.exchange.matching import KnownQuestions
from unveil.evaluate.exchange.reading import Elsewhere, read
from unveil.evaluate.score import score

A = (0.0, 0.0, 50.0, 50.0)
RECORDS = {
    "a": record(("mass", A), name="a", patient="1", source=Source("set", file="imgs/x1/source.jpg")),
    "b": record(name="b", patient="2", source=Source("set", file="imgs/x2/source.jpg")),
}


def asked(name: str, kind, question: str, answer: str, of: str, **more) -> Dialogue:
    return replace(dialogue(kind, answer, name=f"{of}/{name}", of=of, **more), question=question)


ROWS = (
    asked("11", "closed", "Is there a mass?", "Yes", "a"),
    asked("12", "open", "Which organ, 肺 or liver?", "lung", "a"),
    asked("11", "closed", "Is there a mass?", "No", "b"),
    asked("13", "choice", "Which plane?\nA. axial\nB. coronal", "B. coronal", "b", choices=("axial", "coronal")),
)
DIALOGUES = {one.id: one for one in ROWS}
SAID = {"a/11": 'Yes, \t"there" is\none.', "a/12": "肺, the lung", "b/11": "", "b/13": "B"}
OURS = [predicted(one, SAID[one.id]) for one in ROWS]
FORMS = ("medevalkit", "lmms-eval", "vlmevalkit", "llava-med", "flare", "unveil")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_jsonl(tmp_path / "records.jsonl", RECORDS.values())
    write_jsonl(tmp_path / "dialogues.jsonl", ROWS)
    write_jsonl(tmp_path / "ours.jsonl", OURS)
    return tmp_path


def convert(folder: Path, given: str, out: str, *words: str) -> int:
    named = ["--predictions", given, "--out", out, "--dialogues", "dialogues.jsonl", "--records", "records.jsonl"]
    paths = [str(folder / word) if "." in word else word for word in named]
    return cli.main(["convert", "predictions", *paths, *words])


def answers(path: Path) -> dict[str, str]:
    return {row.id: row.answer for row in read_jsonl(path, Prediction)}


def given(folder: Path, rows, name: str = "given.json", **how) -> tuple[dict[str, str], dict]:
    """The answers of a file with these rows (a list, or text), and how it was read."""
    text = rows if isinstance(rows, str) else json.dumps(rows)
    (folder / name).write_text(text, encoding="utf-8")
    found = read(folder / name, "m", DIALOGUES, RECORDS, folder, Elsewhere(**how))
    return {row.id: row.answer for row in found.predictions}, found.about or {}


# -------------------------------------------------------------------------------------------------------- round trips


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back(files: Path, form: str) -> None:
    """Tabs, quotation marks, line breaks, Chinese and empty answers come back as they were."""
    assert convert(files, "ours.jsonl", "theirs.file", "--to", form) == 0
    assert convert(files, "theirs.file", "back.jsonl", "--name", "m") == 0
    assert answers(files / "back.jsonl") == SAID
    back = list(read_jsonl(files / "back.jsonl", Prediction))
    assert {(row.record, row.kind, row.model, row.frame) for row in back} == {
        (row.record, row.kind, "m", (SIZE, SIZE)) for row in OURS
    }


@pytest.mark.parametrize("form", FORMS[:-1])
def test_boxes_are_written_in_pixels_of_the_image(tmp_path: Path, form: str) -> None:
    """A model that writes 0 to 1000 of a picture of 50 x 50: its form is told nowhere in the file. Both score 1."""
    place = asked("14", "localisation", "Where is the mass?", mark(A), "a", target="mass")
    write_jsonl(tmp_path / "records.jsonl", RECORDS.values())
    write_jsonl(tmp_path / "dialogues.jsonl", [place])
    ours = replace(predicted(place, "At [0, 0, 500, 500].", box_format="json-1000"), frame=(50, 50))
    write_jsonl(tmp_path / "ours.jsonl", [ours])
    assert convert(tmp_path, "ours.jsonl", "theirs.file", "--to", form) == 0
    assert convert(tmp_path, "theirs.file", "back.jsonl", "--box-format", "json-pixels", "--frame", "image") == 0
    assert answers(tmp_path / "back.jsonl") == {"a/14": "At [0, 0, 50, 50]."}
    inputs = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl"
    for file in ("ours.jsonl", "back.jsonl"):
        found = score(*inputs, {"m": tmp_path / file}, tmp_path / "out", resamples=10)["models"]["m"]["metrics"]
        assert found["localisation_iou"]["value"] == 1, file


@pytest.mark.parametrize("form", FORMS[:-1])
def test_what_a_model_thought_is_not_written(tmp_path: Path, form: str) -> None:
    """Their forms tell no dialect: the answer alone goes there, y no longer before x, on no square any more."""
    rows = (
        asked("14", "localisation", "Where?", mark(A), "a", target="mass"),
        asked("15", "closed", "Is it?", "Yes", "a"),
    )
    write_jsonl(tmp_path / "records.jsonl", RECORDS.values())
    write_jsonl(tmp_path / "dialogues.jsonl", rows)
    thought = "<unused94>No: [0, 0, 9, 9]<unused95>Final Answer: "
    texts = '[{"box_2d": [0, 0, 500, 500], "label": "mass"}]', "Yes"
    ours = [predicted(one, thought + text, box_format="medgemma-1.5") for one, text in zip(rows, texts, strict=True)]
    write_jsonl(tmp_path / "ours.jsonl", ours)
    assert convert(tmp_path, "ours.jsonl", "theirs.file", "--to", form) == 0
    assert convert(tmp_path, "theirs.file", "back.jsonl", "--box-format", "json-pixels", "--frame", "image") == 0
    assert answers(tmp_path / "back.jsonl") == {"a/14": '[{"bbox_2d": [0, 0, 50, 50], "label": "mass"}]', "a/15": "Yes"}
    inputs = tmp_path / "records.jsonl", tmp_path / "dialogues.jsonl"
    for file in ("ours.jsonl", "back.jsonl"):
        found = score(*inputs, {"m": tmp_path / file}, tmp_path / "out", resamples=10)["models"]["m"]["metrics"]
        assert found["localisation_iou"]["value"] == found["closed"]["value"] == 1, file


def test_what_a_dialect_answers_elsewhere_is_read_as_here(files: Path) -> None:
    """Of questions without a place, too: what was thought is no answer."""
    said = {one.id: f"<unused94>Not {SAID[one.id]}<unused95>Final Answer: {one.answer}" for one in ROWS}
    (files / "given.json").write_text(json.dumps(said))
    inputs = files / "records.jsonl", files / "dialogues.jsonl", {"m": files / "given.json"}
    how = Elsewhere(box_format="medgemma-1.5")
    found = score(*inputs, files / "scores", resamples=10, elsewhere=how)["models"]["m"]["metrics"]
    assert [found[name]["value"] for name in ("closed", "open_f1", "choice")] == [1, 1, 1]


def test_what_cannot_be_written_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No row, an id twice, and answers to images that were taken away, which their forms could not tell from others."""
    (files / "empty.jsonl").write_text("")
    write_jsonl(files / "twice.jsonl", [*OURS, replace(OURS[0], answer="No")])
    write_jsonl(files / "blank.jsonl", [replace(one, shown="blank") for one in OURS])
    for name, told in (("empty", "not one row"), ("twice", "a/11 occur more than once"), ("blank", "taken away")):
        assert convert(files, f"{name}.jsonl", "theirs.tsv", "--to", "vlmevalkit") == 1
        assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("form", FORMS)
def test_score_reads_them_as_it_reads_ours(files: Path, form: str) -> None:
    convert(files, "ours.jsonl", "theirs.file", "--to", form)
    inputs = files / "records.jsonl", files / "dialogues.jsonl"
    one = score(*inputs, {"m": files / "ours.jsonl"}, files / "one", resamples=10)
    other = score(*inputs, {"m": files / "theirs.file"}, files / "other", resamples=10)
    assert one["models"] == other["models"] and one["models"]["m"]["metrics"]["closed"]["value"] == 0.5
    assert "read" not in one and (form == "unveil" or other["read"][str(files / "theirs.file")]["matched"] == 4)


def test_a_spreadsheet_is_read(files: Path) -> None:
    """Of VLMEvalKit, shared and inline texts, an escaped line break, an empty cell, a number."""
    from tests.helpers.spreadsheets import spreadsheet

    rows: list[list[object]] = [
        ["index", "image_path", "question", "prediction"],
        [11, "x1/source.jpg", "Is there a mass?", "Yes_x000A_!"],
        [11, "x2/source.jpg", "Is there a mass?", None],
        [13, "", "Which plane?", "B"],
    ]
    (files / "given.xlsx").write_bytes(spreadsheet(rows))
    found = read(files / "given.xlsx", "m", DIALOGUES, RECORDS, files, Elsewhere(part=True))
    assert {row.id: row.answer for row in found.predictions} == {"a/11": "Yes\n!", "b/11": "", "b/13": "B"}


def test_a_cell_far_to_the_right_makes_up_no_others(files: Path) -> None:
    """Column XFD of a row is its 16,384th: a hundred thousand such rows would fill the memory."""
    from tests.helpers.spreadsheets import spreadsheet

    (files / "given.xlsx").write_bytes(spreadsheet([["index", "prediction"], [*[None] * 1000, "x"]]))
    with pytest.raises(RecordError, match="column ALM, where tables have 1000 at the most"):
        read(files / "given.xlsx", "m", DIALOGUES, RECORDS, files, Elsewhere())


def test_a_spreadsheet_that_is_none_is_refused(files: Path) -> None:
    (files / "given.xlsx").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(RecordError, match="no spreadsheet that can be read"):
        read(files / "given.xlsx", "m", DIALOGUES, RECORDS, files, Elsewhere())


# ----------------------------------------------------------------------------------------------- as others write them


def test_llava_med_answers_by_the_question_s_own_name(files: Path) -> None:
    """question_id is the data set's; 11 stands at two images, with one question: nobody can tell which is meant."""
    rows = [
        {"question_id": 12, "prompt": "Which organ, 肺 or liver?", "text": "lung", "answer_id": "x", "metadata": {}},
        {
            "question_id": 13,
            "prompt": "Which plane? Please choose from the following two options: [axial, coronal]",
            "text": "coronal",
        },
        {"question_id": 11, "prompt": "Is there a mass?", "text": "no"},
    ]
    found, about = given(files, "\n".join(map(json.dumps, rows)))
    rows[1]["question_id"] = 4711  # of another copy of the set, which has other ids: known by its words
    assert given(files, "\n".join(map(json.dumps, rows)))[0] == found
    assert found == {"a/12": "lung", "b/13": "coronal"} and about["ambiguous"] == 1
    assert about["named"] == ["line 3 (11)"] and about["format"] == "llava-med"


def test_medevalkit_results_without_ids_are_matched_where_there_is_no_doubt(files: Path) -> None:
    """SLAKE's rows have no id and no image: a question that stands once is known by its words, one that stands twice by
    its true answer."""
    rows = [
        {"question": "Which organ, 肺 or liver?", "answer": "lung", "answer_type": "OPEN", "response": "lung"},
        {"question": "Is there a mass?", "answer": "No", "answer_type": "CLOSED", "response": "no"},
        {"question": "Is there a mass?", "answer": "Yes", "answer_type": "CLOSED", "response": "yes"},
    ]
    assert given(files, rows)[0] == {"a/12": "lung", "b/11": "no", "a/11": "yes"}
    same = [{key: row[key] for key in ("question", "response")} for row in rows[1:]]
    assert given(files, [rows[0], *same])[1]["ambiguous"] == 2, "which is whose?"
    for row in same:
        row["response"] = "yes"
    assert given(files, same)[0] == {"a/11": "yes", "b/11": "yes"}, "it makes no difference"


def test_lmms_eval_samples_without_their_documents(files: Path) -> None:
    """As version 0.7 saves them: the id is in what a metric keeps, the question in the prompt; doc_id is an order."""
    rows = [
        {"doc_id": 0, "input": "Is there a mass?\nAnswer the question using a single word or phrase.", "target": "Yes",
         "filtered_resps": ["yes"], "doc_hash": "h", "slake_accuracy": {"id": "a/11", "is_correct": True}},
        {"doc_id": 1, "input": "Which organ, 肺 or liver?\nAnswer with a word.", "target": "lung",
         "filtered_resps": "lung", "resps": [["The lung"]]},
    ]  # fmt: skip
    assert given(files, "\n".join(map(json.dumps, rows)))[0] == {"a/11": "yes", "a/12": "lung"}


def test_flare_predictions_by_image_and_question(files: Path) -> None:
    rows = [
        {
            "TaskType": "Classification",
            "ImageName": "imgs/x2/source.jpg",
            "Question": "Is there a mass?",
            "Answer": "no",
        },
        {"TaskType": "Classification", "ImageName": "x1/source.jpg", "Question": "Is there a mass?", "Answer": "yes"},
        {"TaskType": "Classification", "ImageName": "other.jpg", "Question": "Is there a mass?", "Answer": "yes"},
    ]
    found, about = given(files, rows)
    assert found == {"b/11": "no", "a/11": "yes"} and about["unknown"] == 1 and "Is there a mass" in about["named"][0]
    assert given(files, {"a/12": "lung", "b/13": "axial"})[0] == {"a/12": "lung", "b/13": "axial"}


def test_an_order_is_never_an_id(files: Path) -> None:
    """index 12 of a table is another question there than question 12 of the data set: it is known by its words."""
    table = "index\tquestion\tprediction\n12\tWhich plane?\tA\n13\tWhich organ, 肺 or liver?\tlung\n"
    assert given(files, table, "given.tsv")[0] == {"b/13": "A", "a/12": "lung"}
    assert given(files, table.replace("\t", "|").replace(",", ";").replace("|", ","), "given.csv")[1]["matched"] == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["Effusion", "Mass, large"], "Effusion; Mass, large"),
        ([1, 2, 30, 40], "[1, 2, 30, 40]"),
        ([[1, 2, 30, 40], [5, 6, 7, 8]], "[[1, 2, 30, 40], [5, 6, 7, 8]]"),
        ({"bbox": [1, 2, 30, 40]}, '{"bbox": [1, 2, 30, 40]}'),
        ([["lung"]], "lung"),
        (None, ""),
        (7.0, "7"),
    ],
)
def test_of_an_answer_that_is_no_text_nothing_is_lost(files: Path, value, text: str) -> None:
    """Objects and lists were an empty answer, and so wrong without a word."""
    for row in ({"uid": "a/12", "prediction": value}, {"id": "a/12", "question": "?", "response": value}):
        assert given(files, [row])[0] == {"a/12": text}


def test_several_answers_to_one_question_are_named(files: Path) -> None:
    row = {"doc_id": 0, "doc": {"id": "a/12"}, "filtered_resps": ["lung", "liver"]}
    with pytest.raises(RecordError, match="line 1 has 2 answers to one question; keep the one that counts"):
        given(files, json.dumps(row))


def test_half_of_a_character_is_named(files: Path) -> None:
    with pytest.raises(RecordError, match=r"row 1 holds half of a character \('\\ud83d'\)"):
        given(files, '[{"uid": "a/12", "prediction": "lung \\ud83d"}]')


def test_a_number_without_a_question_is_an_order(files: Path) -> None:
    """Row 12 of a table is no question 12; with our own id beside it the answer is known."""
    with pytest.raises(ScoreError, match="none of 1 answers"):
        given(files, "index\tprediction\n12\tlung\n", "given.tsv")
    assert given(files, "index\tprediction\na/12\tlung\n", "given.tsv")[0] == {"a/12": "lung"}


# ------------------------------------------------------------------------------------------------------- what is wrong


def test_half_a_benchmark_is_refused_unless_asked_for(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "half.json").write_text(json.dumps({"a/11": "yes", "a/12": "lung"}))
    assert convert(files, "half.json", "out.jsonl") == 1
    assert "2 of 4 questions have no answer (b/11, b/13); --part takes a part" in " ".join(
        capsys.readouterr().err.split()
    )
    assert convert(files, "half.json", "out.jsonl", "--part") == 0
    inputs = files / "records.jsonl", files / "dialogues.jsonl", {"m": files / "half.json", "o": files / "ours.jsonl"}
    with pytest.raises(ScoreError, match="2 of 4 dialogues have none"):
        score(*inputs, files / "scores", resamples=10)
    part = score(*inputs, files / "scores", resamples=10, elsewhere=Elsewhere(part=True))
    assert part["part"] == {"asked": 2, "of": 4} and part["models"]["o"]["metrics"]["closed"]["n"] == 1


def test_of_another_set_is_refused_and_named(files: Path) -> None:
    with pytest.raises(
        ScoreError, match=r"none of 1 answers is to a question of these dialogues, such as row 1 \(z/1\)"
    ):
        given(files, [{"uid": "z/1", "prediction": "yes"}])


def test_a_name_with_another_question_is_no_match(files: Path) -> None:
    """Another set may call its questions as this one does: an answer to what nobody asked is to none of them."""
    other = {"id": "a/12", "question": "What colour is it?", "response": "red"}
    with pytest.raises(ScoreError, match=r"none of 1 answers .*row 1 \(a/12: it asks 'What colour is it\?'\)"):
        given(files, [other])
    around = other | {"question": "Look: which organ, 肺 or liver? One word."}
    found, about = given(files, [other, around])
    assert found == {"a/12": "red"} and about["unknown"] == 1
    moved = other | {"question": "Which plane?"}
    assert given(files, [moved])[0] == {"b/13": "red"}, "what it asks tells which it is"


def test_questions_are_known_without_the_line_that_says_how_to_answer() -> None:
    """A benchmark has its words below a question; whoever published answers has the question as it was published."""
    below = "Answer the question using a single word or phrase."
    rows = {"11": f"Is there a mass?\n{below}", "12": f"Which organ?\n{below}"}
    ours = {f"r/{name}": asked(name, "closed", text, "yes", "r") for name, text in rows.items()}
    known = KnownQuestions(ours, {"r": record()})
    found = known.match([Given("row 1", "no", question="Which organ?"), Given("row 2", "no", ids=("9",))], "f")
    assert list(found.answers) == ["r/12"] and found.unknown == ["row 2 (9)"]
    assert known.match([Given("row 1", "no")], "f").unknown == ["row 1 (neither id nor question)"]


def test_two_answers_to_one_question_are_refused(files: Path) -> None:
    rows = [{"uid": "a/11", "prediction": "yes"}] * 2
    assert given(files, rows)[1]["repeated"] == 1, "the same one twice is one"
    with pytest.raises(ScoreError, match="row 1 and row 2 give different answers to a/11"):
        given(files, [rows[0], {"uid": "a/11", "prediction": "no"}])


def test_a_file_without_a_row_is_named(files: Path) -> None:
    for text, name in (("[]", "given.json"), ("", "given.jsonl"), ("index\tprediction\n", "given.tsv")):
        with pytest.raises(ScoreError, match="there is not one row"):
            given(files, text, name)


def test_an_unknown_form_is_told_with_its_keys(files: Path) -> None:
    with pytest.raises(RecordError, match=r"a row has foo, bar\. Known are: unveil"):
        given(files, [{"foo": 1, "bar": 2}])
    with pytest.raises(RecordError, match="row 1 has no 'text', so it is no answer of llava-med"):
        given(files, [{"uid": "a/11", "prediction": "yes"}], format="llava-med")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "1 answers may hold boxes: --box-format says how"),
        ({"box_format": "anything"}, "--box-format says how"),
        ({"box_format": "json-pixels"}, "counts pixels: --frame image says"),
        ({"box_format": "json-pixels", "frame": "big"}, "--frame big: image, or WIDTHxHEIGHT"),
    ],
)
def test_the_scale_of_boxes_is_declared(files: Path, how: dict, message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        located(files, "[0, 0, 50, 50]", **how)


@pytest.mark.parametrize(
    ("answer", "how"),
    [
        ("[0, 0, 50, 50]", {"box_format": "json-pixels", "frame": "image"}),
        ("[0, 0, 100, 224]", {"box_format": "json-pixels", "frame": "200x448"}),
        ("[0, 0, 500, 500]", {"box_format": "json-1000"}),
    ],
)
def test_boxes_are_read_in_the_declared_frame(files: Path, answer: str, how: dict) -> None:
    """The box (0, 0, 50, 50) of an image of 100 x 100, in its own pixels, in those of 200 x 448, in thousandths."""
    assert located(files, answer, **how)["models"]["m"]["metrics"]["localisation_iou"]["value"] == 1


def located(files: Path, answer: str, **how) -> dict:
    one = asked("where", "localisation", "Where is the mass?", "[0, 0, 50, 50]", "a", target="mass")
    write_jsonl(files / "dialogues.jsonl", [one])
    (files / "given.json").write_text(json.dumps({one.id: answer}))
    inputs = files / "records.jsonl", files / "dialogues.jsonl", {"m": files / "given.json"}
    return score(*inputs, files / "scores", resamples=10, elsewhere=Elsewhere(**how))
