"""Readers of what rtbci itself writes: sessions, profiles, calibrations, engines and what is known of them."""

import json
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rtbci.backends.cache import EngineCache
from rtbci.backends.cache_entry import ENGINE_FILE, ENTRY_FILE, BrokenEntryError, EngineKey, read_entry
from rtbci.backends.gate import GateReport
from rtbci.backends.gate_store import GateKey, GateStore
from rtbci.backends.golden import read_golden
from rtbci.backends.registry import open_session
from rtbci.backends.timing_store import TimingStore
from rtbci.calibrate.hops import HopLog, read_hops
from rtbci.calibrate.store import TrialStore, read_settings, read_trials
from rtbci.errors import EngineError, FileFormatError
from rtbci.probe.calibration_record import RECORD_NAME, read_record, write_record
from rtbci.probe.profile import JSON_NAME, WEIGHTS_NAME, Profile, read_profile, write_profile
from rtbci.recipes import read_engine
from rtbci.record.repair import repair_xdf
from rtbci.record.session_json import read_session_json, write_session_json
from rtbci.record.signal import chunks_of, gaps_of, main_stream, markers_of, on_grid
from rtbci.record.xdf_read import read_xdf_file
from rtbci.replay.read import read_recordings
from rtbci.runtime.profile_file import export_profile, read_exported
from tests.calibration_samples import make_record
from tests.probe_samples import make_profile
from tests.tiny import write_engine
from tests.unit.calibrate.samples import pink, raw_trial, store_settings
from tests.unit.record.samples import make_session, record
from tools.fuzzing.attempt import Target

__all__ = ["OF_RTBCI"]

XDF_NAME = "session.xdf"
HOP_SAMPLES, N_CHANNELS = 8, 3
TIMING_NAME = "a timing"


def _written(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


# -- sessions ------------------------------------------------------------------------------------------


def _xdf_seeds(_folder: Path) -> list[bytes]:
    return [make_session(3).content, make_session(2, seed=1, gap=True).content]


def _rows(path: Path) -> "list[tuple[float, ...]]":
    """Samples of a file, each with its stamp in front."""
    file = read_xdf_file(path)
    try:
        main = main_stream(file, str(path))
    except FileFormatError:
        return []
    with suppress(FileFormatError):  # a regular grid would be mostly zeros
        on_grid(file, path)
    chunks_of(main)
    gaps_of(main)
    markers_of(file)
    return [(float(t), *map(float, row)) for t, row in zip(main.t_s, main.values, strict=True)]


def _read_xdf(content: bytes, folder: Path) -> object:
    return _rows(_written(folder, XDF_NAME, content))


def _repair_xdf(content: bytes, folder: Path) -> object:
    """A mended file is complete: it is read without damage, and mending it again changes nothing."""
    path = _written(folder, XDF_NAME, content)
    before = _rows(path)
    repair_xdf(path)
    file = read_xdf_file(path)
    assert not file.damages, file.damages
    after = _rows(path)
    assert after == before, f"{len(before)} samples before mending, {len(after)} after"
    again = repair_xdf(path)
    assert again.path == again.original, "mended twice"
    return after


def _replay_xdf(content: bytes, folder: Path) -> object:
    return [one.data.tolist() for one in read_recordings(_written(folder, XDF_NAME, content))]


def _no_other_rows(sound: Any, read: Any) -> str:
    known = set(sound)
    wrong = [row for row in read if row not in known]
    return f"{len(wrong)} of {len(read)} samples were never written" if wrong else ""


def _session_json_seeds(folder: Path) -> list[bytes]:
    write_session_json(folder, record(config={"paradigm": "tiny", "stream": {"name": "x"}}))
    return [(folder / "session.json").read_bytes()]


# -- profiles ------------------------------------------------------------------------------------------


def _profile_seeds(name: str, folder: Path) -> list[bytes]:
    write_profile(folder / "p", make_profile())
    return [(folder / "p" / name).read_bytes()]


def _read_profile_json(content: bytes, folder: Path) -> object:
    write_profile(folder / "p", make_profile())
    _written(folder / "p", JSON_NAME, content)
    return _of_profile(read_profile(folder / "p"))


def _read_profile_weights(content: bytes, folder: Path) -> object:
    """Weights whose sha256 is what profile.json says: what the checksum would refuse is parsed."""
    write_profile(folder / "p", make_profile())
    said = json.loads((folder / "p" / JSON_NAME).read_bytes())
    said["weights_sha256"] = sha256(content).hexdigest()
    _written(folder / "p", JSON_NAME, json.dumps(said).encode())
    _written(folder / "p", WEIGHTS_NAME, content)
    return _of_profile(read_profile(folder / "p"))


def _read_changed_weights(content: bytes, folder: Path) -> object:
    write_profile(folder / "p", make_profile())
    _written(folder / "p", WEIGHTS_NAME, content)
    return _of_profile(read_profile(folder / "p"))


def _of_profile(profile: Profile) -> object:
    return {name: weights.tolist() for name, weights in profile.weights.items()}


def _exported_seeds(folder: Path) -> list[bytes]:
    write_profile(folder / "p", make_profile())
    write_record(folder / "p", make_record())
    return [export_profile(folder / "p", folder / "p.rtbci").read_bytes()]


def _read_exported(content: bytes, folder: Path) -> object:
    profile, _ = read_exported(_written(folder, "p.rtbci", content))
    return _of_profile(profile)


def _same(sound: object, read: object) -> str:
    return "" if read == sound else "other numbers than were written"


# -- calibrations --------------------------------------------------------------------------------------


def _trial_seeds(folder: Path) -> list[bytes]:
    with TrialStore(folder / "store", store_settings()) as store:
        return [store.write(raw_trial(pink(60, 3))).read_bytes()]


def _read_trial(content: bytes, folder: Path) -> object:
    _written(folder / "store", "trial-0000.safetensors", content)
    trials, faults = read_trials(folder / "store")
    if faults:
        raise FileFormatError(faults[0])
    return [
        (one.i_trial, one.i_class, one.t_cue, one.accepted, one.reason, one.raw_uv.tolist()) for one in trials
    ]


def _store_seeds(folder: Path) -> list[bytes]:
    with TrialStore(folder / "store", store_settings()):
        return [(folder / "store" / "store.json").read_bytes()]


def _read_store(content: bytes, folder: Path) -> object:
    return read_settings(_written(folder, "store.json", content).parent)


def _record_seeds(folder: Path) -> list[bytes]:
    return [write_record(folder, make_record()).read_bytes()]


def _read_record(content: bytes, folder: Path) -> object:
    return read_record(_written(folder, RECORD_NAME, content).parent)


def _hops_seeds(folder: Path) -> list[bytes]:
    rng = np.random.default_rng(0)
    with HopLog(folder, HOP_SAMPLES, N_CHANNELS) as log:
        for i in range(12):
            log.push(
                rng.standard_normal((HOP_SAMPLES, N_CHANNELS)).astype(np.float32), 10.0 + i / 16, i in (0, 7)
            )
    return [(folder / "hops.bin").read_bytes()]


def _read_hops(content: bytes, folder: Path) -> object:
    _written(folder, "hops.bin", content)
    pieces = read_hops(folder, HOP_SAMPLES, N_CHANNELS)
    return [(float(row["t"]), *map(float, row["x"].ravel())) for piece in pieces for row in piece]


# -- engines -------------------------------------------------------------------------------------------


def _key() -> EngineKey:
    return EngineKey(
        network_id="1" * 64,
        graph_id="2" * 64,
        precision="fp32",
        max_batch=1,
        fixed_batch=True,
        backend="openvino",
        backend_version="1",
        device="cpu",
        targets=(),
        driver="",
    )


def _entry(folder: Path) -> Path:
    cache = EngineCache(folder / "cache")
    cache.build(_key(), lambda: b"engine" * 50)
    return folder / "cache" / _key().name


def _entry_seeds(name: str, folder: Path) -> list[bytes]:
    return [(_entry(folder) / name).read_bytes()]


def _read_entry(name: str, content: bytes, folder: Path) -> object:
    entry = _entry(folder)
    _written(entry, name, content)
    cache = EngineCache(folder / "cache")
    cache.entries()
    try:
        data = read_entry(entry, _key()).data
    except BrokenEntryError as error:
        assert cache.find(_key()) is None
        raise EngineError(f"engine cache: {error}") from error
    found = cache.find(_key())
    assert found is not None
    assert found.data == data
    return data


def _gate_key() -> GateKey:
    return GateKey(
        engine_id="2",
        network_id="1",
        backend="openvino",
        precision="fp32",
        device="cpu",
        backend_version="1",
        driver="",
        max_batch=1,
        reference="torch",
        contract_id="3",
    )


def _gate_seeds(folder: Path) -> list[bytes]:
    report = GateReport(
        engine="tiny",
        backend="openvino",
        precision="fp32",
        device="cpu",
        network_id="1",
        engine_id="2",
        reference="torch",
        max_abs=1e-3,
        cosine=0.999,
        windows=(),
    )
    GateStore(folder / "gates", _ignore).write(_gate_key(), report)
    (path,) = (folder / "gates").glob("*.json")
    return [path.read_bytes()]


def _read_gate(content: bytes, folder: Path) -> object:
    _gate_seeds(folder)
    (path,) = (folder / "gates").glob("*.json")
    path.write_bytes(content)
    store = GateStore(folder / "gates", _ignore)
    store.reports()
    found = store.find(_gate_key())
    if found is None:
        raise EngineError("gate's report: damaged, the gate is run again")
    return found


def _timing_seeds(folder: Path) -> list[bytes]:
    TimingStore(folder / "timing", _ignore).write(TIMING_NAME, b"measured" * 20)
    (path,) = (one for one in (folder / "timing").iterdir() if one.suffix != ".lock")
    return [path.read_bytes()]


def _read_timing(content: bytes, folder: Path) -> object:
    store = TimingStore(folder / "timing", _ignore)
    store.write(TIMING_NAME, b"x")
    (path,) = (one for one in (folder / "timing").iterdir() if one.suffix != ".lock")
    path.write_bytes(content)
    data = store.read(TIMING_NAME)
    if data is None:
        raise EngineError("timing store: damaged, measured again")
    return data


def _ignore(_text: str) -> None:
    """Tell nobody."""


def _engine_folder(folder: Path) -> Path:
    return write_engine(folder / "engine", n_samples=16)


def _onnx_seeds(folder: Path) -> list[bytes]:
    return [(_engine_folder(folder) / "engine.onnx").read_bytes()]


def _read_onnx(content: bytes, folder: Path) -> object:
    """An engine of somebody's own, whose recipe names no sha256."""
    engine = _engine_folder(folder)
    (engine / "engine.onnx").write_bytes(content)
    recipe = read_engine(str(engine))
    session = open_session(recipe.onnx_path)
    try:
        return session.run(np.zeros(session.input_shape, np.float32)).shape
    finally:
        session.close()


def _golden_seeds(_folder: Path) -> list[bytes]:
    from safetensors.numpy import save

    return [save({"input": np.ones((2, 3, 16), np.float32), "output": np.ones((2, 2), np.float32)})]


def _read_golden(content: bytes, folder: Path) -> object:
    engine = _engine_folder(folder)
    recipe = engine / "recipe.toml"
    text = recipe.read_text(encoding="utf-8").replace("onnx = ", 'golden = "golden.safetensors"\nonnx = ', 1)
    recipe.write_text(text, encoding="utf-8")
    _written(engine, "golden.safetensors", content)
    golden = read_golden(read_engine(str(engine)))
    assert golden is not None
    return golden[0].shape


OF_RTBCI: tuple[Target, ...] = (
    Target("xdf", _xdf_seeds, _read_xdf, _no_other_rows),
    Target("xdf repaired", _xdf_seeds, _repair_xdf, _no_other_rows),
    Target("xdf replayed", _xdf_seeds, _replay_xdf),
    Target(
        "session.json",
        _session_json_seeds,
        lambda x, f: read_session_json(_written(f, "session.json", x).parent),
    ),
    Target("profile.json", partial(_profile_seeds, JSON_NAME), _read_profile_json),
    Target("profile weights", partial(_profile_seeds, WEIGHTS_NAME), _read_changed_weights, _same),
    Target("profile weights, sha256 right", partial(_profile_seeds, WEIGHTS_NAME), _read_profile_weights),
    Target("profile exported", _exported_seeds, _read_exported, _same),
    Target("calibration trial", _trial_seeds, _read_trial, _same),
    Target("calibration store.json", _store_seeds, _read_store),
    Target("calibration.json", _record_seeds, _read_record),
    Target("calibration hops.bin", _hops_seeds, _read_hops, _no_other_rows),
    Target(
        "engine cache entry.json", partial(_entry_seeds, ENTRY_FILE), partial(_read_entry, ENTRY_FILE), _same
    ),
    Target(
        "engine cache engine.bin",
        partial(_entry_seeds, ENGINE_FILE),
        partial(_read_entry, ENGINE_FILE),
        _same,
    ),
    Target("engine's gate report", _gate_seeds, _read_gate, _same),
    Target("engine timings", _timing_seeds, _read_timing, _same),
    Target("ONNX file", _onnx_seeds, _read_onnx),
    Target("golden numbers", _golden_seeds, _read_golden),
)
