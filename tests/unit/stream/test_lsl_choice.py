"""What ``--stream`` means, and the option that tells a stream from the others."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtbci.errors import ConfigError
from rtbci.stream.lsl_resolve import StreamQuery, choices, predicate_of


def stream(
    name: str = "EEG",
    source_id: str = "amp",
    host: str = "lab1",
    uid: str = "u1",
    channels: int = 8,
    rate: float = 250.0,
) -> Any:
    values = {
        "name": name,
        "type": "EEG",
        "source_id": source_id,
        "hostname": host,
        "uid": uid,
        "channel_count": channels,
        "nominal_srate": rate,
    }
    return SimpleNamespace(**{key: lambda value=value: value for key, value in values.items()})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("EEG", ""),
        ("", ""),
        ("My amp, host lab", ""),
        ("speed=3", ""),  # a name that nobody made for this
        ("x,host=lab", ""),
        ("host=lab2", "hostname='lab2'"),
        ("uid=a-b", "uid='a-b'"),
        ("name=My, EEG=1, host=lab2", "name='My, EEG=1' and hostname='lab2'"),
        ("name=O'Neill,channels=8,rate=250", 'name="O\'Neill" and channel_count=8 and nominal_srate=250'),
    ],
)
def test_names_and_properties(text: str, wanted: str) -> None:
    assert predicate_of(text) == wanted


@pytest.mark.parametrize("text", ["host=", "channels=eight", "name=x,rate=1) or (1=1", "uid= "])
def test_properties_without_a_value(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--stream: \w+ is '.*', need"):
        predicate_of(text)


@given(st.text(max_size=30))
def test_a_text_is_a_name_or_a_predicate_of_liblsl(text: str) -> None:
    try:
        predicate = predicate_of(text)
    except ConfigError:
        return
    if predicate:
        assert StreamQuery(predicate=predicate).xpath == f"({predicate})"
        assert predicate.split("=")[0] in (
            "name",
            "type",
            "source_id",
            "hostname",
            "uid",
            "channel_count",
            "nominal_srate",
        )


def test_names_first_and_the_uid_last() -> None:
    one = stream()
    assert choices([one]) == ["--stream EEG"]
    assert choices([one, stream("Other amp")]) == ["--stream EEG", "--stream 'Other amp'"]
    assert choices([one, stream(source_id="b")]) == [
        "--stream name=EEG,source_id=amp",
        "--stream name=EEG,source_id=b",
    ]
    assert choices([one, stream(host="lab2")])[1] == "--stream name=EEG,source_id=amp,host=lab2"
    assert choices([one, stream(channels=16)])[1] == "--stream name=EEG,source_id=amp,channels=16"
    assert choices([one, stream(rate=500.0)])[1] == "--stream name=EEG,source_id=amp,rate=500"
    assert choices([one, stream(uid="u2")]) == ["--stream uid=u1", "--stream uid=u2"]
    assert choices([stream("host=x")]) == ["--stream name=host=x"]
    assert predicate_of("name=host=x") == "name='host=x'"
    assert choices([stream("x,host=y")]) == ["--stream x,host=y"]
    assert choices([stream("x,host=y"), stream("x,host=y", "b")])[0] == "--stream uid=u1"


@given(
    st.lists(
        st.builds(stream, name=st.sampled_from(["EEG", "a b", "x,host=y"]), source_id=st.sampled_from(["", "amp"]),
                  host=st.sampled_from(["lab1", "lab2"]), channels=st.sampled_from([8, 16])),
        min_size=1,
        max_size=6,
    )
)  # fmt: skip
def test_no_option_means_two_streams(streams: list[Any]) -> None:
    for i, one in enumerate(streams):
        one.uid = lambda i=i: f"u{i}"
    options = choices(streams)
    assert len(set(options)) == len(streams)
