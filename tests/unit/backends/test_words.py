from rtbci.backends.words import first_line, words_of
from rtbci.errors import EngineError


def test_a_message_without_text_is_named_by_its_class() -> None:
    assert first_line(ValueError("one\ntwo")) == first_line(ValueError("\n one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"


def test_errors_of_others_are_named_by_their_class() -> None:
    assert words_of(EngineError("here: no such file")) == "here: no such file"
    assert words_of(KeyError("x")) == "KeyError: 'x'"
