"""What a stream can be decoded with: as a run would open it."""

import pytest

from rtbci.errors import ChannelError
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.what_fits import Fit, lacks_in_words, open_or_tell, what_fits
from rtbci.stream.source import Channel, StreamInfo

MUSE = "TP9 AF7 AF8 TP10 AUX"
CROWN = "CP3 C3 F5 PO3 PO4 F6 C4 CP4"
EPOC = "Counter AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4"
UNICORN = "Fz C3 Cz C4 Pz PO7 Oz PO8"


def stream(labels: str, rate_hz: float = 250.0) -> StreamInfo:
    channels = tuple(Channel(label, "microvolts", "EEG") for label in labels.split(" "))
    return StreamInfo("headset", "id", rate_hz, channels)


def fits(labels: str, rate_hz: float = 250.0) -> dict[str, Fit]:
    return {one.paradigm: one for one in what_fits(stream(labels, rate_hz))}


@pytest.mark.parametrize(
    ("labels", "fitting", "lacking"),
    [
        (MUSE, {"alpha", "sleep"}, {"motor_imagery": "lacks C3, C4", "ssvep": "lacks OZ"}),
        (EPOC, {"alpha", "sleep"}, {"motor_imagery": "lacks C3, C4", "p300": "lacks 6 of 16"}),
        (CROWN, {"alpha", "sleep", "motor_imagery", "motor_imagery_rest"}, {"ssvep": "lacks OZ"}),
        (UNICORN, {"alpha", "sleep", "motor_imagery", "ssvep"}, {"workload": "lacks 8 of 12"}),
        ("O1 O2 C3 C4", {"alpha", "motor_imagery"}, {"motor_imagery_rest": "has 2 of 23, needs 3"}),
        ("AF7 AF8", {"sleep"}, {"alpha": "lacks O1, O2"}),
    ],
)
def test_what_headsets_are_good_for(labels: str, fitting: set[str], lacking: dict[str, str]) -> None:
    found = fits(labels)
    assert fitting <= {name for name, one in found.items() if not one.lack}
    assert {name: found[name].lack for name in lacking} == lacking


def test_it_says_what_stands_for_what_and_how_much_is_there() -> None:
    assert fits(MUSE)["alpha"].stand_ins == {"O1": "TP9", "O2": "TP10"}
    one = fits(CROWN)["motor_imagery"]
    assert (one.n_found, one.n_read, one.is_calibrated_first) == (4, 31, False)
    assert fits("C3 CZ C4")["motor_imagery_4"].is_calibrated_first


def test_a_rate_that_is_too_low_is_a_lack_too() -> None:
    assert "has 50 Hz" in fits("C3 CZ C4", 50.0)["motor_imagery"].lack


def test_every_fit_is_what_the_decoder_says() -> None:
    for labels in (MUSE, CROWN):
        for one in what_fits(stream(labels)):
            if one.paradigm not in ("alpha", "sleep", "motor_imagery", "ssvep"):
                continue
            with Decoder(one.paradigm) as decoder:
                if not one.lack:
                    assert decoder.open(stream(labels)).found
                    continue
                with pytest.raises(ChannelError) as caught:
                    decoder.open(stream(labels))
                assert caught.value.lack == one.lack


def test_lacks_are_told_once_with_all_that_need_them() -> None:
    said = lacks_in_words([Fit(name, "lacks OZ", {}, 0, 8, False) for name in ("a", "b")])
    assert said == ("lacks OZ: a, b",)
    assert lacks_in_words([Fit("a", "", {}, 1, 1, False)]) == ()


def test_a_run_that_cannot_says_what_can() -> None:
    with Decoder("ssvep") as decoder:
        with pytest.raises(ChannelError, match=r"lacks OZ[\s\S]*what fits this stream: alpha, sleep"):
            open_or_tell(decoder, stream(MUSE), "")
        with pytest.raises(ChannelError, match=r"lacks OZ[\s\S]*no paradigm fits this stream"):
            open_or_tell(decoder, stream("X1 X2"), "")
        with pytest.raises(ChannelError, match=r"--labels C3,C4,\.\.\.$"):  # nobody knows what would fit
            open_or_tell(decoder, StreamInfo("bare", "id", 250.0, (Channel(""), Channel(""))), "")
        assert open_or_tell(decoder, stream(UNICORN), "").found


def test_what_may_stand_for_an_electrode_is_told() -> None:
    with Decoder("alpha") as decoder, pytest.raises(ChannelError, match=r"lacks O2[\s\S]*O2: PO4, PO8"):
        decoder.open(stream("O1 AF7 AF8"))
