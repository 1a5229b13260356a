"""What is sent by OSC: flat values, no null, addresses that every receiver takes."""

import pytest
from msgspec.structs import replace

from rtbci.errors import ConfigError
from rtbci.osc import OscSender, osc_messages, target_of
from tools.write_schema import samples

SAMPLES = samples()


def test_a_decision() -> None:
    assert osc_messages(SAMPLES["prediction"]) == [
        ("/rtbci/prediction", ["right", "right", "", 2.46, 0.96]),
        ("/rtbci/probs", [0.18, 0.82]),
        ("/rtbci/prob/left", [0.18]),
        ("/rtbci/prob/right", [0.82]),
        ("/rtbci/decision", ["right", 1]),
    ]


def test_a_value() -> None:
    sent = dict(osc_messages(SAMPLES["prediction with a value"]))
    assert sent["/rtbci/value"] == [0.7312]


def test_a_window_that_could_not_be_decoded_has_no_probabilities() -> None:
    assert osc_messages(SAMPLES["prediction in a gap"], "/a") == [
        ("/a/prediction", ["", "", "gap", 2.46, 0.96])
    ]


def test_the_other_topics() -> None:
    assert osc_messages(SAMPLES["event"]) == [("/rtbci/event", ["decision", "right"])]
    assert osc_messages(SAMPLES["hello"]) == [("/rtbci/hello", ["motor_imagery", 0.0625, "left", "right"])]
    assert osc_messages(SAMPLES["status"]) == [("/rtbci/status", ["running", 0, 499.98])]
    waiting = replace(SAMPLES["status"], rate_hz=None, paused=True, state="waiting")
    assert osc_messages(waiting) == [("/rtbci/status", ["waiting", 1, 0.0])]


def test_class_names_become_parts_of_addresses() -> None:
    odd = replace(SAMPLES["prediction"], classes=("left hand/1", "fuß"), label="fuß", decision="fuß")
    assert [address for address, _ in osc_messages(odd)][2:4] == [
        "/rtbci/prob/left_hand_1",
        "/rtbci/prob/fu_",
    ]


@pytest.mark.parametrize(
    ("text", "target"), [("127.0.0.1:9000", ("127.0.0.1", 9000)), ("localhost:1", ("localhost", 1))]
)
def test_targets(text: str, target: tuple[str, int]) -> None:
    assert target_of(text, insecure=False) == target


@pytest.mark.parametrize("text", ["", "9000", ":9000", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", "a:b"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="need HOST:PORT"):
        target_of(text, insecure=True)


def test_another_machine_is_refused_unless_insecure() -> None:
    with pytest.raises(ConfigError, match="is not this machine and OSC is not encrypted"):
        target_of("192.168.0.7:9000", insecure=False)
    assert target_of("192.168.0.7:9000", insecure=True) == ("192.168.0.7", 9000)


@pytest.mark.parametrize("prefix", ["", "rtbci", "/", "/a b", "/a/", "/ä"])
def test_a_prefix_that_is_no_address_is_refused(prefix: str) -> None:
    pytest.importorskip("pythonosc")
    with pytest.raises(ConfigError, match="--prefix"):
        OscSender("127.0.0.1", 9, prefix)
