from rtbci.speller.follow import LetterFollower
from rtbci.speller.score import Letter
from tests.speller_samples import marker, prediction


def test_a_letter_is_told_once_it_is_decided_or_the_next_begins() -> None:
    told = list[Letter]()
    follower = LetterFollower(told.append)
    follower.send(prediction("B", 0.5))  # nothing is asked for yet
    for text, t in (("cue/A", 1.0), ("trial/begin", 2.0), ("flash/r1", 2.5), ("flash/c1", 2.7)):
        follower.send(marker(text, t))
    assert (follower.wanted, follower.n_flashes) == ("A", 2)
    follower.send(prediction(None, 3.6))
    follower.send(prediction("B", 3.7))
    assert told == [Letter("A", "B", 2, 3.7 - 2.5)]
    follower.send(prediction("B", 3.9))  # once is enough
    for text, t in (
        ("trial/end", 4.0),
        ("cue/B", 5.0),
        ("trial/begin", 6.0),
        ("flash/r1", 6.5),
        ("trial/end", 7.0),
    ):
        follower.send(marker(text, t))
    assert len(told) == 1
    follower.send(marker("cue/A", 9.0))
    assert told[1:] == [Letter("B", None, 1, 0.0)]
    follower.close()
    assert len(told) == 2
