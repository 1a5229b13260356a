import pytest

from rtbci.evaluate.metrics import itr_bits_per_min
from rtbci.speller.score import Letter, SpellingScore


def test_letters_repetitions_and_time_are_added_up() -> None:
    score = SpellingScore(36, 12, 4.0)
    assert score.words() == "no letter was spelled"
    for letter in (Letter("A", "A", 24, 4.0), Letter("B", "C", 48, 8.0), Letter("C", None, 120, 21.0)):
        score.add(letter)
    assert (score.n_right, score.n_asked) == (1, 3)
    assert score.repetitions == pytest.approx(16 / 3)
    assert score.letter_s == pytest.approx(15.0)
    assert score.bits_per_min == pytest.approx(itr_bits_per_min(36, 1 / 3, 15.0))
    assert score.words().startswith(
        "1 of 3 letters right, 1 without a decision, 5.3 repetitions and 15.0 s a letter"
    )


def test_of_a_free_user_nothing_is_right_or_wrong() -> None:
    score = SpellingScore(36, 12, 4.0)
    score.add(Letter(None, "A", 24, 4.0))
    assert score.bits_per_min is None
    assert score.words() == "1 selections, 2.0 repetitions and 8.0 s a letter, pauses included"
