import pytest

from rtbci.commands.options import console_of, names_of, output_of, teller_of


def test_names_between_commas() -> None:
    assert names_of(" C3, c4,,CZ ,") == ["C3", "c4", "CZ"]
    assert names_of("") == []


@pytest.mark.parametrize("stderr", [True, False])
def test_a_line_is_told_as_it_is(capsys: pytest.CaptureFixture[str], stderr: bool) -> None:
    line = f"a stream [bold]'x[/]' and {'much ' * 40}more"
    teller_of(console_of(stderr))(line)
    said = capsys.readouterr()
    assert ((said.err, said.out) if stderr else (said.out, said.err)) == (f"{line}\n", "")


def test_a_result_in_either_form(capsys: pytest.CaptureFixture[str]) -> None:
    for json in (True, False):
        output_of(json).result({"n": 1}, "one thing")
    assert capsys.readouterr().out == '{"n":1}\none thing\n'
