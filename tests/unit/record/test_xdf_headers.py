import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbci.errors import FileFormatError
from rtbci.record.xdf_headers import (
    Footer,
    file_header,
    footer_xml,
    header_of,
    info_of,
    labels_of,
    lsl_header,
    parse_xml,
    stream_header,
    stream_of,
)
from rtbci.stream.source import Channel, StreamInfo
from tests.unit.record.samples import INFO, START

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE info [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><info><name>&i;</name></info>"
)
LEAK = '<?xml version="1.0"?><!DOCTYPE info [<!ENTITY x SYSTEM "file:///etc/hostname">]><info>&x;</info>'


@pytest.mark.parametrize("text", [BOMB, LEAK])
def test_a_document_type_is_refused_at_once(text: str) -> None:
    t_start = time.process_time()
    with pytest.raises(FileFormatError, match=r"f\.xdf: its XML declares a document type"):
        parse_xml(text.encode(), "f.xdf")
    assert time.process_time() - t_start < 0.1


def test_deep_xml_is_refused() -> None:
    with pytest.raises(FileFormatError, match="nested deeper than 50"):
        parse_xml("<a>" * 60 + "</a>" * 60, "f.xdf")
    with pytest.raises(FileFormatError, match=r"nested deeper|is no XML"):
        parse_xml("<a>" * 200_000 + "</a>" * 200_000, "f.xdf")


@pytest.mark.parametrize("text", ["", "no", "<info>", b"\xff\xfe<\x00", "<info>\x00\x01</info>", "\ud800"])
def test_what_is_no_xml(text: str | bytes) -> None:
    with pytest.raises(FileFormatError, match="is no XML"):
        parse_xml(text, "f.xdf")


@settings(max_examples=100, deadline=None)
@given(name=st.text(max_size=40), label=st.text(max_size=40), unit=st.text(max_size=9))
def test_any_name_and_label_gives_a_header_that_can_be_read(name: str, label: str, unit: str) -> None:
    xml = stream_header(name, "EEG", 250.0, "float32", channels=[Channel(label, unit)] * 2)
    root = parse_xml(xml, "x")
    stream = stream_of(3, root, "x")
    assert (stream.stream_id, stream.n_channels, stream.rate_hz, stream.format) == (3, 2, 250.0, "float32")
    plain = all(" " <= one <= "~" for one in label + name)
    if plain and label.strip():
        assert labels_of(root, 2, "EEG")[0].label == label.strip()
        assert stream.name == name.strip()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<channel_count>3<", "<channel_count>0<", "header says 0 channels"),
        ("<channel_count>3<", "<channel_count>99999999<", "header says 99999999 channels"),
        ("<channel_count>3<", "<channel_count>x<", "header says 0 channels"),
        ("double64", "float16", "of format 'float16'"),
        ("250.0", "nan", "nominal rate is nan"),
        ("250.0", "-1", "nominal rate is -1"),
        ("250.0", "inf", "nominal rate is inf"),
    ],
)
def test_impossible_headers(old: str, new: str, said: str) -> None:
    xml = header_of(INFO)
    assert old in xml
    with pytest.raises(FileFormatError, match=said):
        stream_of(1, parse_xml(xml.replace(old, new), "x"), "x")


def test_labels_that_are_not_described() -> None:
    xml = stream_header("s", "EEG", 1.0, "int8", channels=[Channel("A")])
    assert [one.label for one in labels_of(parse_xml(xml, "x"), 2, "EEG")] == ["CH1", "CH2"]


def test_a_header_gives_back_the_metadata_that_it_was_made_of() -> None:
    root = parse_xml(header_of(INFO), "x")
    assert info_of(root, stream_of(1, root, "x")) == INFO
    root = parse_xml(header_of(StreamInfo("s", "", 1.0, (Channel("A"),))), "x")
    info = info_of(root, stream_of(1, root, "x")._replace(name="said", type="EOG"))
    assert (info.name, info.type, info.channels[0].type, info.reference) == ("said", "EOG", "EEG", "")


def test_metadata_where_other_programs_put_them() -> None:
    theirs = "<reference>A1</reference><acquisition><manufacturer>amps</manufacturer></acquisition><channels><channel>"
    xml = stream_header("s", "EEG", 1.0, "int8", channels=[Channel("A")])
    root = parse_xml(xml.replace("<channels><channel>", theirs), "x")
    info = info_of(root, stream_of(1, root, "x"))
    assert (info.manufacturer, info.reference) == ("amps", "A1")


def test_the_xml_of_a_stream_is_taken_where_it_agrees_with_what_is_decoded() -> None:
    theirs = header_of(INFO, "float32").replace("</desc>", "<cap><name>easy</name></cap></desc>")
    assert lsl_header(theirs, INFO) == theirs
    assert lsl_header("", INFO) is None
    assert lsl_header(theirs.replace("<channel_count>3", "<channel_count>4"), INFO) is None
    assert lsl_header(theirs.replace("float32", "string"), INFO) is None
    assert lsl_header(theirs.replace("250.0", "500.0"), INFO) is None
    assert lsl_header(BOMB, INFO) is None


def test_file_header_and_footer() -> None:
    assert parse_xml(file_header(START), "x").findtext("version") == "1.0"
    assert parse_xml(footer_xml(Footer(None, None, 0)), "x").find("first_timestamp") is None
