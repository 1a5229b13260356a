"""Readers of what others write: recordings, recipes and configurations in TOML, messages from the network, XML of streams."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from rtbci.calibrate.protocol import read_protocol
from rtbci.chaos.scenario import read_scenario
from rtbci.config import read_config
from rtbci.errors import MessageError
from rtbci.publish.codec import decode, encode
from rtbci.publish.control_client import _read_reply
from rtbci.publish.control_messages import read_id, read_request
from rtbci.publish.messages import MESSAGE_TYPES
from rtbci.recipes import read_engine, read_paradigm, recipes_root
from rtbci.record.xdf_headers import info_of, lsl_header, parse_xml, stream_of
from rtbci.replay.read import read_recordings
from rtbci.web.page_messages import read_from_page
from tests.unit.record.samples import INFO, event, hello, prediction
from tools.fuzzing.attempt import Target

__all__ = ["OF_OTHERS"]

TOPICS = tuple(MESSAGE_TYPES)


def _written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


# -- recordings ----------------------------------------------------------------------------------------


def _read_recording(name: str, content: bytes, folder: Path) -> object:
    recordings = read_recordings(_written(folder, name, content))
    for one in recordings:
        one.sample_times()
        one.gaps()
        assert one.info.rate_hz > 0, one.info.rate_hz
        assert np.isfinite(one.info.rate_hz), one.info.rate_hz
        assert one.duration_s >= 0, one.duration_s
    return [one.data.shape for one in recordings]


def _edf_seeds(folder: Path) -> list[bytes]:
    import edfio

    rng = np.random.default_rng(0)
    signals = [
        edfio.EdfSignal(20.0 * rng.standard_normal(256), 64.0, label=f"EEG {label}", physical_dimension="uV")
        for label in ("C3", "CZ", "C4")
    ]
    edfio.Edf(signals, annotations=[edfio.EdfAnnotation(1.0, None, "T1")]).write(folder / "a.edf")
    return [(folder / "a.edf").read_bytes()]


def _bdf_seeds(folder: Path) -> list[bytes]:
    import edfio

    rng = np.random.default_rng(0)
    signals = [
        edfio.BdfSignal(20.0 * rng.standard_normal(256), 64.0, label=label, physical_dimension="uV")
        for label in ("C3", "C4")
    ]
    edfio.Bdf(signals).write(folder / "a.bdf")
    return [(folder / "a.bdf").read_bytes()]


def _npz_seeds(_folder: Path) -> list[bytes]:
    arrays = {
        "sfreq": np.array(160.0),
        "ch_names": np.array(["C3", "CZ", "C4"]),
        "run04": np.random.default_rng(0).standard_normal((3, 200)).astype(np.float32),
        "run04_onset": np.array([10, 90]),
        "run04_code": np.array([1, 2]),
    }
    found = []
    for save in (np.savez, np.savez_compressed):
        blob = io.BytesIO()
        save(blob, allow_pickle=False, **arrays)
        found.append(blob.getvalue())
    return found


def _muse_seeds(_folder: Path) -> list[bytes]:
    rows = "\n".join(f"{1500000000 + i / 256:.3f},{i % 7}.5,-3.25,12.0,0" for i in range(40))
    monitor = "\n".join(
        f"2020-01-01 00:00:{i / 10:06.3f},{800 + i},801.5,3.5,{'/Marker/1' if i == 9 else ''}"
        for i in range(40)
    )
    return [
        f"timestamps,TP9,AF7,AF8,Marker0\n{rows}\n".encode(),
        f"TimeStamp,RAW_TP9,RAW_AF7,AUX_RIGHT,Elements\n{monitor}\n".encode(),
    ]


def _openbci_seeds(_folder: Path) -> list[bytes]:
    head = "%OpenBCI Raw EXG Data\n%Number of channels = 2\n%Sample Rate = 250 Hz\n"
    titles = "Sample Index, EXG Channel 0, EXG Channel 1, Timestamp, Marker Channel\n"
    rows = "\n".join(
        f"{i % 256}, {i}.5, -{i}, {1500000000 + i / 250:.3f}, {3 if i == 5 else 0}" for i in range(40)
    )
    return [(head + titles + rows).encode()]


def _brainvision_seeds(_folder: Path) -> list[bytes]:
    return [
        b"Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nDataFile=a.eeg\nMarkerFile=a.vmrk\n"
        b"DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=2\nSamplingInterval=4000\n\n[Binary Infos]\n"
        b"BinaryFormat=INT_16\n\n[Channel Infos]\nCh1=C3,,0.1,\xc2\xb5V\nCh2=C4,,0.1,\xc2\xb5V\n"
    ]


def _read_brainvision(content: bytes, folder: Path) -> object:
    _written(folder, "a.eeg", np.arange(200, dtype="<i2").tobytes())
    _written(
        folder,
        "a.vmrk",
        b"Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nDataFile=a.eeg\n[Marker Infos]\nMk1=Stimulus,S  1,10,1,0\n",
    )
    return _read_recording("a.vhdr", content, folder)


# -- TOML ----------------------------------------------------------------------------------------------


def _toml_seeds(pattern: str, _folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(recipes_root().glob(pattern))]


def _read_recipe(read: Callable[[str], object], content: bytes, folder: Path) -> object:
    return read(str(_written(folder, "recipe.toml", content).parent))


def _read_protocol(content: bytes, folder: Path) -> object:
    return read_protocol(read_paradigm("motor_imagery"), _written(folder, "protocol.toml", content))


def _read_config(content: bytes, folder: Path) -> object:
    return read_config(str(_written(folder, "a.toml", content)), {"stream.name": "x"})


def _read_scenario(content: bytes, folder: Path) -> object:
    return read_scenario(str(_written(folder, "a.toml", content)))


# -- messages ------------------------------------------------------------------------------------------


def _message_seeds(_folder: Path) -> list[bytes]:
    """The first byte is the number of the topic."""
    kinds = (prediction(3, 10.0), prediction(4, 11.0, decided=False), event(1, "marker", 2.0, "cue"), hello())
    return [
        bytes([TOPICS.index(one.topic)]) + encode(one, format)
        for one in kinds
        for format in ("json", "msgpack")
    ]


def _read_message(content: bytes, _folder: Path) -> object:
    """What is decoded can be sent on: it is a message of the schema."""
    if not content:
        raise MessageError("message: nothing, need a topic and a payload")
    message = decode(TOPICS[content[0] % len(TOPICS)], content[1:])
    for format in ("json", "msgpack"):
        assert decode(message.topic, encode(message, format)) == message
    return message


def _request_seeds(_folder: Path) -> list[bytes]:
    return [
        b'{"v":1,"id":7,"cmd":"status"}',
        b'{"v":1,"id":"a","cmd":"swap_profile","profile":"ada@3"}',
        b'{"cmd":"mark","value":"begin"}',
        b'{"v":1,"id":null,"cmd":"stop"}',
    ]


def _read_request(content: bytes, _folder: Path) -> object:
    read_id(content)
    return read_request(content)


def _reply_seeds(_folder: Path) -> list[bytes]:
    return [
        b'{"v":1,"id":7,"ok":true,"result":{"state":"running"},"error":null}',
        b'{"v":1,"id":7,"ok":false,"result":null,"error":{"kind":"ProfileError","message":"no"}}',
    ]


def _page_seeds(_folder: Path) -> list[bytes]:
    return [
        b'{"type":"pong","id":3,"page_ms":12.5}',
        b'{"type":"shown","id":3,"frame_ms":12.5}',
        b'{"type":"frames","dt_ms":[16.6,16.7]}',
        b'{"type":"start"}',
        b'{"type":"visible","visible":false}',
        b'{"type":"clicks","ms":[-3.0,12.0]}',
    ]


def _xml_seeds(_folder: Path) -> list[bytes]:
    from rtbci.record.xdf_headers import header_of

    return [header_of(INFO).encode()]


def _read_xml(content: bytes, _folder: Path) -> object:
    lsl_header(content.decode("utf-8", "replace"), INFO)
    root = parse_xml(content, "stream")
    return info_of(root, stream_of(1, root, "stream"))


OF_OTHERS: tuple[Target, ...] = (
    Target("EDF", _edf_seeds, partial(_read_recording, "a.edf")),
    Target("BDF", _bdf_seeds, partial(_read_recording, "a.bdf")),
    Target("BrainVision header", _brainvision_seeds, _read_brainvision),
    Target("npz", _npz_seeds, partial(_read_recording, "a.npz")),
    Target("CSV of Muse", _muse_seeds, partial(_read_recording, "a.csv")),
    Target("text of OpenBCI", _openbci_seeds, partial(_read_recording, "a.txt")),
    Target(
        "paradigm recipe",
        partial(_toml_seeds, "paradigms/*/recipe.toml"),
        partial(_read_recipe, read_paradigm),
    ),
    Target(
        "engine recipe", partial(_toml_seeds, "engines/*/recipe.toml"), partial(_read_recipe, read_engine)
    ),
    Target("protocol", partial(_toml_seeds, "paradigms/motor_imagery/protocol.toml"), _read_protocol),
    Target("configuration", partial(_toml_seeds, "configs/*.toml"), _read_config),
    Target("chaos scenario", partial(_toml_seeds, "configs/chaos/*.toml"), _read_scenario),
    Target("message", _message_seeds, _read_message),
    Target("control request", _request_seeds, _read_request),
    Target("control reply", _reply_seeds, lambda content, _folder: _read_reply(content)),
    Target("page message", _page_seeds, lambda content, _folder: read_from_page(content)),
    Target("XML of a stream", _xml_seeds, _read_xml),
)
