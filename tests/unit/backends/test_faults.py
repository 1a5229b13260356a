from rtbci.backends.faults import words_of
from rtbci.errors import EngineError


def test_words() -> None:
    assert words_of(EngineError("engine: is closed")) == "engine: is closed"
    assert words_of(RuntimeError("no kernel image")) == "RuntimeError: no kernel image"
