import hashlib
import json
import re
from pathlib import Path
from typing import get_args

import pytest

import rtbci.feedback
import rtbci.monitor
from rtbci.commands.event_words import SAID
from rtbci.errors import ConfigError
from rtbci.monitor.page import LivePage
from rtbci.monitor.place import Place, place_of
from rtbci.monitor.spectrum import ADVICE
from rtbci.publish.messages import State, Why
from tools.write_positions import flat_positions

STATIC = Path(rtbci.monitor.__file__).parent / "static"
FEEDBACK = Path(rtbci.feedback.__file__).parent / "static"
MAX_BYTES = 300_000


def test_places_are_those_of_the_montage() -> None:
    assert json.loads((STATIC / "positions.json").read_text()) == flat_positions()


@pytest.mark.parametrize("folder", [STATIC, FEEDBACK])
def test_the_page_is_light_and_takes_nothing_from_elsewhere(folder: Path) -> None:
    files = [path for path in folder.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES
    for path in files:
        text = path.read_text()
        assert not re.search(r"""(src|href|url|fetch|import)\W{1,3}(https?:)?//""", text), path.name
        assert path.suffix != ".html" or not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", text)


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("uPlot.iife.min.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        ("uPlot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
        ("uPlot.LICENSE.txt", "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
    ],
)
def test_the_library_for_charts_is_as_it_was_published(name: str, sha256: str) -> None:
    """Files of uplot 1.6.32 from npm: two of `dist/`, and `LICENSE`."""
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == sha256


@pytest.mark.parametrize("folder", [STATIC, FEEDBACK])
def test_every_element_that_is_named_is_there(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    scripts = "".join(path.read_text() for path in folder.glob("*.js"))
    ids = set(re.findall(r'\bid="([\w-]+)"', page))
    assert set(re.findall(r'\$\("([\w-]+)"\)', scripts)) <= ids
    assert all(f"#{name}" in page or f'"{name}"' in scripts + page for name in ids)


def named_in(words: str, name: str) -> set[str]:
    """Keys of an object, or members of a set, that words.js exports under a name."""
    [body] = re.findall(rf"export const {name} = (?:new Set\()?[{{\[](.*?)\n?[}}\]]\)?;\n", words, re.DOTALL)
    return set(
        re.findall(r'"(\w+)"' if name == "TROUBLE" else r"(?:^|[,{])\s*(\w+): [\"{]", body, re.MULTILINE)
    )


def test_states_reasons_and_events_are_those_of_the_messages() -> None:
    words = (STATIC / "words.js").read_text()
    assert named_in(words, "STATES") == set(get_args(State))
    assert named_in(words, "WHYS") - {"text", "color", "tip"} == {*get_args(Why), "refractory"}
    assert named_in(words, "ELECTRODES") - {"sign", "text"} == set(ADVICE)
    assert named_in(words, "TROUBLE") <= set(SAID)


def test_the_feedback_page_knows_all_states_and_reasons_without_a_value() -> None:
    script = (FEEDBACK / "feedback.js").read_text()
    states, whys = (
        re.search(rf"const {name} = {{(.*?)}};", script, re.DOTALL) for name in ("STATES", "WHYS")
    )
    assert states is not None
    assert whys is not None
    assert set(re.findall(r"(\w+): \"", states[1])) == set(get_args(State))
    assert set(re.findall(r"(\w+): \"", whys[1])) == set(get_args(Why)) - {"below_threshold", "idle"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:5580", Place("127.0.0.1", 5580)),
        ("[::1]:0", Place("::1", 0)),
        ("lab-pc:443", Place("lab-pc", 443)),
    ],
)
def test_addresses(text: str, place: Place) -> None:
    assert place_of(text) == place


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1", ":5580", "a:b", "a:70000", "::1:5580", "http://a:1", "u@a:1", "a:1/x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="need HOST:PORT"):
        place_of(text)


def test_the_network_needs_tls() -> None:
    with pytest.raises(ConfigError, match="can be reached from the network, need TLS there"):
        LivePage("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", Place("0.0.0.0", 0))
