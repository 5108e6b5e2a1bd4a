"""BLEU, ROUGE-L, CIDEr and METEOR by hand, beside the libraries, and the faults of other codes by their names."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from unveil.core.text_metrics import bleu, bleu_counts, rouge_l, sentence_bleu, signature, tokeniser, words
from unveil.evaluate import meteor
from unveil.evaluate.cider import Cider

WORDS = [
    "the",
    "heart",
    "is",
    "normal",
    "no",
    "effusion",
    "left",
    "right",
    "lung",
    "small",
    "mild",
    ",",
    ".",
    "ekg/ecg",
]


def drawn(count: int, fewest: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(fewest, 12))) for _ in range(count)]


SAID, TRUE = drawn(40, 0, 1), drawn(40, 3, 2)
COUNTS = np.array([bleu_counts(said, true) for said, true in zip(SAID, TRUE, strict=True)])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_of_a_corpus_is_sacrebleus(order: int) -> None:
    scorer = BLEU(lowercase=True, max_ngram_order=order)
    assert float(bleu(COUNTS.sum(0), order)) == pytest.approx(scorer.corpus_score(SAID, [TRUE]).score / 100)
    for i, counts in enumerate(COUNTS):
        alone = scorer.corpus_score([SAID[i]], [[TRUE[i]]]).score / 100
        assert float(bleu(counts, order)) == pytest.approx(alone), (SAID[i], TRUE[i])


def test_bleu_of_many_corpora_at_once() -> None:
    """Sums of any shape: two corpora, the second of the first text alone."""
    both = bleu(np.stack([COUNTS.sum(0), COUNTS[0]]))
    assert both.shape == (2,) and both[0] == bleu(COUNTS.sum(0)) and both[1] == bleu(COUNTS[0])
    assert np.isnan(bleu(np.zeros(10))), "without a reference there is no figure, and no 0"


def test_corpus_bleu_is_not_the_mean_of_sentence_bleu() -> None:
    """BLEU-1: of "a b" beside "a b" 2 of 2 words, of "c d e f g h" beside "c x x x x x" 1 of 6: 3 of 8, not
    (1 + 1/6) / 2 = 7/12."""
    counts = np.array([bleu_counts("a b", "a b"), bleu_counts("c d e f g h", "c x x x x x")])
    assert float(bleu(counts.sum(0), 1)) == pytest.approx(3 / 8)
    assert float(bleu(counts, 1).mean()) == pytest.approx(7 / 12)


def test_double_spaces_change_nothing() -> None:
    """pycocoevalcap after split(" ") counts empty words."""
    one, other = ("The heart is  normal .", "the  heart is normal."), ("The heart is normal .", "the heart is normal.")
    assert bleu_counts(*one) == bleu_counts(*other) and rouge_l(*one) == rouge_l(*other)
    assert Cider(["a  b", "c d"]).scores(["a  b"], "a  b") == Cider(["a b", "c d"]).scores(["a b"], "a b")


def test_ekg_ecg_stays_two_tokens() -> None:
    """R2Gen's cleaner makes "ekgecg" of it. BLEU-1 of "ekg / ecg" beside it: all of 3 tokens."""
    assert words("ekg/ecg") == ["ekg", "ecg"]
    assert bleu_counts("ekg / ecg", "ekg/ecg")[0] == 3 and rouge_l("ecg", "ekg/ecg").recall == 1 / 2


def test_text_that_is_not_ascii_never_scores_0_silently() -> None:
    """rouge-score drops what is not ASCII and gives 0. Of 右肺有结节 (5) 右肺结节 (4) is the common sequence: 8/9."""
    assert rouge_l("右肺结节", "右肺有结节。").f1 == pytest.approx(8 / 9)
    assert tokeniser("右肺有结节。") == "zh" and bleu_counts("右肺结节", "右肺有结节。")[0] == 4
    assert rouge_l("Œdème pulmonaire", "œdème pulmonaire").f1 == 1
    with pytest.raises(ValueError, match="holds no word"):
        rouge_l("a", " .. ")


@pytest.mark.parametrize(
    ("said", "true", "expected"),
    [
        ("police kill the gunman", "police killed the gunman", (3 / 4, 3 / 4, 3 / 4)),  # Lin 2004, section 3.1
        ("the gunman kill police", "police killed the gunman", (2 / 4, 2 / 4, 2 / 4)),
        ("Nodule 3.5 cm, no ECG change", "No  ekg/ecg change; 3.5 cm nodule.", (3 / 7, 3 / 8, 0.4)),  # as rouge-score
        ("", "no nodule", (0, 0, 0)),
    ],
)
def test_rouge_l_by_hand(said: str, true: str, expected: tuple[float, ...]) -> None:
    assert rouge_l(said, true) == pytest.approx(expected)


def test_rouge_l_is_that_of_rouge_score() -> None:
    scorer = RougeScorer(["rougeL"])
    for said, true in zip(SAID, TRUE, strict=True):
        assert rouge_l(said, true).f1 == pytest.approx(scorer.score(true, said)["rougeL"].fmeasure)


def test_bleu_of_one_answer_takes_no_more_words_than_it_has() -> None:
    assert sentence_bleu("no nodule", "no nodule") == pytest.approx(1) and sentence_bleu("", "no nodule") == 0


def test_the_signature_says_how() -> None:
    assert signature("13a").startswith("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.")
    assert "tok:zh" in signature("zh")


def test_cider_is_that_of_coco_caption() -> None:
    """Values of pycocoevalcap 1.2's cider_scorer.py on the same four texts."""
    rows = [("the heart is normal",) * 2, ("no effusion", "a small effusion")]
    rows += [("a left effusion is seen", "a left effusion"), ("", "no nodule")]
    cider = Cider([true for _, true in rows])
    expected = [10.0, 0.4501399, 4.58580037, 0.0]
    assert [cider.scores([said], true)[0] for said, true in rows] == pytest.approx(expected)


def test_cider_by_hand() -> None:
    """References "a b" and "c d": each n-gram is in one of two, weight log 2. "a" beside "a b": unigrams 1/sqrt(2),
    no bigram; bigrams differ by one, penalty exp(-1/72); of four orders: 10 * exp(-1/72) / (4 sqrt(2))."""
    cider = Cider(["a b", "c d"])
    assert cider.scores(["a", ""], "a b") == pytest.approx([10 * math.exp(-1 / 72) / (4 * math.sqrt(2)), 0])


def test_cider_tells_where_no_answer_could_score() -> None:
    """What all references hold weighs log(2/2) = 0, so a right answer scores 0: that is counted, not hidden."""
    cider = Cider(["all clear", "all clear"])
    assert cider.scores(["all clear"], "all clear") == [0] and cider.blind("all clear")
    assert not Cider(["all clear", "a nodule"]).blind("all clear")
    with pytest.raises(ValueError, match="two references"):
        Cider(["a"])


def test_meteor_by_hand() -> None:
    """ "the heart" beside "the heart is normal": P 1, R 1/2, 10PR/(R+9P) = 5/9.5; one chunk of two matches: penalty
    0.5 (1/2)^3 = 1/16."""
    score = meteor.scored_with(SimpleNamespace(synsets=lambda word: []))
    assert score("the heart", "the heart is normal") == pytest.approx(5 / 9.5 * 15 / 16)
    assert score("", "the heart") == 0


def test_meteor_finds_stems_and_some_synonyms() -> None:
    """Stems: "opacities in lung" beside "opacity in the lung": P 1, R 3/4, 7.5/9.75; two chunks of three matches:
    penalty 0.5 (2/3)^3 = 4/27. Synonyms: "tumor seen" beside "tumour was seen", P 1, R 2/3, (20/3)/(2/3 + 9), two
    chunks of two: penalty 1/2. A fault of nltk's: "big" is no synonym of "large", for which "larg" is looked up. With
    WordNet 3.0 itself, nltk 3.9.1 and 3.10.4 have these three figures."""
    synonyms = {"tumor": ("tumor", "tumour"), "big": ("large", "big")}

    def synsets(word: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(lemmas=lambda: [SimpleNamespace(name=lambda n=n: n) for n in synonyms.get(word, ())])]

    score = meteor.scored_with(SimpleNamespace(synsets=synsets))
    assert score("opacities in lung", "opacity in the lung") == pytest.approx(7.5 / 9.75 * 23 / 27)
    assert score("tumor seen", "tumour was seen") == pytest.approx(20 / 3 / (2 / 3 + 9) / 2)
    assert score("the heart is big", "the heart is large") == pytest.approx(0.75 * (1 - 0.5 / 27))


def test_meteor_without_all_of_wordnet_s_files_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Debian's package has them, which lacks two: it is said, and the other figures are measured."""
    import nltk.data
    from nltk.corpus import CorpusReader, WordNetCorpusReader
    from nltk.corpus.util import LazyCorpusLoader

    (tmp_path / "corpora/wordnet").mkdir(parents=True)
    (tmp_path / "corpora/wordnet/data.noun").write_text("")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    others = LazyCorpusLoader("omw-2.0", CorpusReader, "none")  # languages, which are not asked for
    monkeypatch.setattr("nltk.corpus.wordnet", LazyCorpusLoader("wordnet", WordNetCorpusReader, others))
    said = meteor.scorer()
    assert isinstance(said, str) and said.startswith("WordNet's data cannot be read: ") and "lexnames" in said


def test_meteor_that_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor, "find_spec", lambda name: None)
    assert meteor.scorer() == "nltk is not installed: pip install 'unveil[reports]'"
