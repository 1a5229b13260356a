import io

from rich.console import Console

from rtbci.commands.demo_speller_board import SpellerBoard
from rtbci.speller.score import Letter, SpellingScore
from tests.speller_samples import marker, prediction

GROUPS = {"r1": ("A", "B"), "c1": ("A",), "c2": ("B",)}


def test_the_board_shows_what_is_asked_for_what_is_lit_and_what_was_written() -> None:
    console = Console(file=io.StringIO(), width=100)
    score, told = SpellingScore(2, 3, 1.0), list[Letter]()
    board = SpellerBoard(
        console, (("A", "B"),), GROUPS, "BA", score, "tcp://x:1", told.append, clock=lambda: 7.0
    )
    for text, t in (("cue/B", 1.0), ("trial/begin", 2.0), ("flash/r1", 3.0), ("flash/c2", 3.2)):
        board.send(marker(text, t))
    board.send(prediction(None, 4.0))
    shown = Console(file=io.StringIO(), width=100)
    shown.print(board.render())
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert "asked    BA   now B" in text
    assert "flashes    2   A 0.90  B 0.10" in text
    assert "tcp://x:1" in text
    board.send(prediction("B", 4.2))
    assert (board.text, told) == ("B", [Letter("B", "B", 2, 4.2 - 3.0)])
    for text, t in (("cue/A", 5.0), ("trial/begin", 6.0), ("flash/c1", 6.5)):
        board.send(marker(text, t))
    board.close()  # it has not come to a decision
    assert (score.n_right, score.n_asked) == (1, 2)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines == ["   0.0 s  B: B (right, 2 flashes)", "   0.0 s  A: no decision (wrong, 1 flashes)"]
