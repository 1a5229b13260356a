"""Sessions are decoded again: what is the same, what is told where it is not, and what cannot be told."""

import json
import shutil
import struct
import threading
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from rtbci.backends.session import Session
from rtbci.commands.profile_output import Output
from rtbci.commands.verify import Request, verify_session
from rtbci.errors import ConfigError, EngineError, FileFormatError, ProfileError, RateError
from rtbci.probe.profile import read_profile, write_profile
from rtbci.publish.control_messages import Mark, Pause, Resume, SwapProfile
from rtbci.publish.messages import Event, Prediction
from rtbci.recipes import EngineRecipe, read_paradigm
from rtbci.record import recorder
from rtbci.record.disk import SyncedFile
from rtbci.record.recorder import SessionRecorder
from rtbci.record.session_json import versions_here
from rtbci.record.signal import main_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import read_xdf_file
from rtbci.runtime import profile_swaps
from rtbci.runtime.backlog import KnownSkips
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_opener import open_checked
from rtbci.stages.stage import Float32Array
from rtbci.stream.simulated_time import SimulatedClock
from rtbci.stream.source import StreamInfo
from rtbci.stream.synthetic import SyntheticSource
from rtbci.system.locks import take_lock
from rtbci.verify import engines as verify_engines
from rtbci.verify import verify as verify_module
from rtbci.verify.script import read_script
from rtbci.verify.verify import verify
from tests.chaos_samples import scenario
from tests.tiny import RATE_HZ, STAGES, write_paradigm, write_tiny_profile
from tests.unit.verify.session_samples import change_json, recorded, recorded_in_time, recrafted
from tools import simulated_session
from tools.simulated_session import record_session


@pytest.fixture(scope="module")
def paradigm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_paradigm(tmp_path_factory.mktemp("verify") / "tiny")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, paradigm: Path) -> Path:
    folder = tmp_path_factory.mktemp("sessions") / "s"
    recorded_in_time(folder, paradigm)
    return folder


@pytest.fixture
def session(tmp_path: Path, original: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "s"))


@pytest.fixture
def slow_swaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new profile sees two hops after each decision, so that it takes seconds until it is in use."""
    monkeypatch.setattr(profile_swaps, "BUDGET_S", 0.0)


def test_every_bit_is_the_same(session: Path) -> None:
    found = verify(session)
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)
    assert found.n_compared == found.n_identical > 80
    assert found.n_windows == found.n_windows_identical >= found.n_compared
    assert found.n_compared + found.n_said_lost + found.n_untold == found.n_predictions
    assert found.notes == ()


def test_which_windows_were_skipped_is_in_the_journal(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were late by a clock that nobody can ask again, and what comes after hangs on it."""
    (run,) = read_script(session).runs
    assert run.says_skipped
    skipped = [take for take in run.takes if take.skipped]
    assert sum(sum(take.skipped[1::2]) for take in skipped) > 5
    monkeypatch.setattr(KnownSkips, "expect", lambda _self, _turns: None)
    assert verify(session).verdict == "differs"


def test_with_everything_that_can_be_asked_for(tmp_path: Path, paradigm: Path, slow_swaps: None) -> None:
    """The user's own profile is changed after the session: the copy in its folder is what counts."""
    profile = write_tiny_profile(tmp_path / "ada", paradigm)
    acts = [
        (1.0, SwapProfile(profile=str(profile))),
        (3.0, Pause()),
        (3.5, SwapProfile(profile="population")),
        (5.0, Resume()),
        (7.5, Mark(value="left")),
        (8.0, SwapProfile(profile=str(profile))),
    ]
    outcome = recorded(
        tmp_path / "s",
        paradigm,
        seconds=12.0,
        acts=acts,
        settings={"adapt": {"enabled": True, "learn_s": 2.0}, "watch": {"max_backlog_s": 0.1}},
    )
    assert outcome.error is None
    for path in profile.iterdir():
        path.unlink()
    found = verify(tmp_path / "s")
    assert (found.verdict, found.first, found.notes) == ("identical", None, ())
    assert found.n_swaps == 3
    kept = [one.name for one in (tmp_path / "s" / "profiles").iterdir()]
    assert len(kept) == 1


@pytest.mark.parametrize("min_hops", [3, 1])
def test_a_profile_that_is_warmed_while_samples_come_late(
    tmp_path: Path, slow_swaps: None, monkeypatch: pytest.MonkeyPatch, min_hops: int
) -> None:
    """What filters inside a branch give depends on the sample that they began with. With one hop it is never ready."""
    monkeypatch.setattr(profile_swaps, "MIN_HOPS", min_hops)
    population = read_profile(read_paradigm("motor_imagery").population_folder or "")
    own = tmp_path / "own"
    write_profile(own, msgspec.structs.replace(population, user="own", temperature=2.0, generation=1))
    recorded(
        tmp_path / "s",
        Path("motor_imagery"),
        faults=({"kind": "burst", "start_s": 6.0, "length_s": 0.3},),
        acts=[(5.0, SwapProfile(profile=str(own)))],
    )
    found = verify(tmp_path / "s")
    assert (found.verdict, found.first) == ("identical", None)
    assert found.n_swaps == int(min_hops > 1)


def test_windows_that_are_locked_to_markers(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path / "tiny", policy="marker", t_min_s=0.1)
    recorded(
        tmp_path / "s", paradigm, faults=(), acts=[(t, Mark(value="left")) for t in (1.0, 2.0, 3.3, 7.9, 8.0)]
    )
    found = verify(tmp_path / "s")
    assert (found.verdict, found.n_compared) == ("identical", found.n_identical)
    assert found.n_compared >= 3


def test_a_session_that_was_cut_short(session: Path) -> None:
    path = session / SESSION_XDF
    content = path.read_bytes()
    change_json(session, lambda content: content.update(ended=None))
    n_before = 0
    for share in (0.35, 0.7):
        path.write_bytes(content[: int(share * len(content))])
        found = verify(session)
        assert found.verdict == "identical"
        assert found.n_compared > n_before
        assert "cut short" in " ".join(found.notes)
        n_before = found.n_compared
    with path.open("rb") as written:  # as while `rtbci run` goes on
        assert take_lock(written.fileno())
        found = verify(session)
    assert found.verdict == "identical"
    assert "still being recorded" in " ".join(found.notes)
    assert "the session was cut short" not in " ".join(found.notes)
    path.write_bytes(content[:400])
    with pytest.raises(FileFormatError, match=r"no stream 'rtbci-journal'|nothing can be compared"):
        verify(session)


def test_the_file_of_a_writer_that_hardly_runs_can_be_cut_as_well(
    tmp_path: Path, paradigm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as above must not depend on how busy the computer is: here nobody wakes the writer."""
    monkeypatch.setattr(recorder, "WRITE_S", 1e9)
    monkeypatch.setattr(recorder, "LATEST_S", 0.05)
    recorded_in_time(tmp_path / "s", paradigm, seconds=4.0)
    path = tmp_path / "s" / SESSION_XDF
    content = path.read_bytes()
    change_json(tmp_path / "s", lambda content: content.update(ended=None))
    path.write_bytes(content[: len(content) // 2])
    assert verify(tmp_path / "s").n_compared > 10


def test_a_bit_that_changed_is_told_and_all_before_it_is_verified(session: Path) -> None:
    path = session / SESSION_XDF
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    found = verify(session)
    assert found.verdict == "identical"
    assert 20 < found.n_compared < 90
    assert "the file is read up to byte" in found.notes[0]


def test_samples_that_were_not_recorded(tmp_path: Path, paradigm: Path) -> None:
    """The disk stands still for seconds; what follows is verified from the next connection on."""
    gate, recorders = threading.Event(), list[SessionRecorder]()

    class Stuck(SyncedFile):
        def write(self, at: int, content: bytes) -> None:
            gate.wait(30.0)
            super().write(at, content)

    def drained() -> None:
        gate.set()
        t_due = time.monotonic() + 20.0
        while recorders[0]._n_queued and time.monotonic() < t_due:
            threading.Event().wait(0.01)

    gate.set()
    # Behind it the disk keeps up, as it would in real time.
    acts = [(2.0, drained), (2.1, gate.clear), *((5.0 + 0.5 * i, drained) for i in range(24))]
    recorded(
        tmp_path / "s",
        paradigm,
        faults=({"kind": "vanish", "start_s": 6.0, "length_s": 8.0},),
        seconds=17.0,
        acts=acts,
        max_bytes=150_000,
        open_disk=Stuck,
        made=recorders.append,
    )
    found = verify(tmp_path / "s")
    assert (found.verdict, found.first) == ("identical", None)
    assert found.n_unsure > 0
    assert found.n_compared > 20
    assert "were not recorded" in " ".join(found.notes)


def test_another_sample_is_found_in_the_first_stage(session: Path) -> None:
    sample = main_stream(read_xdf_file(session / SESSION_XDF), "x").values[1200, 0]
    recrafted(session, struct.pack("<d", sample), struct.pack("<d", sample + 1.0))
    found = verify(session)
    assert found.verdict == "differs"
    assert found.first is not None
    assert found.first.part == "stage 1 (SpectroSpatialAdapter)"
    assert found.n_identical < found.n_compared
    assert not verify_session(Request(str(session)), Output(json=True))


def test_another_number_in_a_prediction_is_found(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = read_xdf_file(session / SESSION_XDF)
    texts = file.named("rtbci-prediction")
    assert texts is not None
    text = next(one for one in texts.texts if '"probs":[' in one)
    digit = text.index(",", text.index('"probs":[')) - 4
    forged = text[:digit] + str((int(text[digit]) + 1) % 10) + text[digit + 1 :]
    recrafted(session, text.encode(), forged.encode())
    found = verify(session)
    assert found.first is not None
    assert (found.verdict, found.first.part) == ("differs", "probs")
    assert found.first.seq == json.loads(text)["seq"]
    assert not verify_session(Request(str(session)), Output(json=False))
    said = capsys.readouterr().out
    assert "first         probs (prediction" in said
    assert "DIFFERS" in said


def test_another_computer(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = versions_here()
    monkeypatch.setattr(verify_module, "versions_here", lambda: here | {"numpy": "0.1"})
    found = verify(session)
    assert (found.verdict, found.exact) == ("identical", False)
    assert found.why_not_exact == (f"numpy was {here['numpy']}, is 0.1",)
    assert (found.max_features, found.max_prob) == (1e-4, 0.02)
    assert verify(session, exact=True).exact


def test_numbers_within_the_tolerance(session: Path) -> None:
    """A last bit in a sample changes the last digits of what follows: the same decisions elsewhere, not here."""
    sample = main_stream(read_xdf_file(session / SESSION_XDF), "x").values[200, 0]
    recrafted(session, struct.pack("<d", sample), struct.pack("<d", sample + 1e-3))
    change_json(session, lambda content: content["versions"].update(cpu="another one"))
    found = verify(session)
    assert (found.verdict, found.n_decisions_differ) == ("same", 0)
    assert 0.0 < found.largest_prob < 1e-3
    assert verify(session, exact=True).verdict == "differs"


def test_another_back_end(tmp_path: Path, paradigm: Path) -> None:
    pytest.importorskip("openvino")
    recorded(tmp_path / "s", paradigm, backend="openvino", change_s=3.0)
    found = verify(tmp_path / "s")
    assert (found.verdict, found.exact, found.n_engine_changes) == ("identical", True, 1)
    other = verify(tmp_path / "s", backend="onnxruntime")
    assert (other.exact, other.n_decisions_differ) == (False, 0)
    assert other.verdict in ("same", "identical")


@pytest.mark.parametrize(
    ("backend", "precision", "asked"),
    [("openvino", "bf16", "bf16"), ("openvino", "fp32", "auto"), ("tensorrt", "fp32", "fp32")],
)
def test_an_engine_is_asked_for_the_precision_that_it_had(
    paradigm: Path, monkeypatch: pytest.MonkeyPatch, backend: str, precision: str, asked: str
) -> None:
    wished: list[str] = []

    def refuse(_recipe: EngineRecipe, _backend: str, _n_threads: int, *, precision: str) -> Session:
        wished.append(precision)
        raise EngineError("not here")

    monkeypatch.setattr(verify_engines, "open_checked", refuse)
    with Decoder(read_paradigm(str(paradigm))) as decoder:
        data = {
            "branch": next(iter(decoder.engines)),
            "backend": backend,
            "precision": precision,
            "id": "c0de",
        }
        event = Event(v=1, session="s", seq=0, t_sent=0.0, kind="engine_changed", t_lsl=0.0, data=data)
        (told,) = verify_engines.missing_engines(decoder, [event], 1)
    assert (wished, "cannot be used here (not here)" in told) == ([asked], True)


def test_an_engine_that_fails_while_it_is_in_use(
    tmp_path: Path, paradigm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one computes from the very window on: which one that was is in the session."""

    def open_failing(recipe: EngineRecipe, backend: str, n_threads: int) -> Session:
        session = open_checked(recipe, backend, n_threads)
        run, left = session.run, iter(range(40))

        def run_for_a_while(x: Float32Array) -> Float32Array:
            if next(left, None) is None:
                raise RuntimeError("out of memory")
            return run(x) + np.float32(1e-6)  # so that it matters which one computes

        monkeypatch.setattr(session, "run", run_for_a_while)
        return session

    with monkeypatch.context() as patch:
        patch.setattr(simulated_session, "open_checked", open_failing)
        outcome = recorded(tmp_path / "s", paradigm, faults=(), backend="onnxruntime", change_s=2.0)
    kinds = [one.kind for one in outcome.messages if isinstance(one, Event)]
    assert "engine_failed" in kinds
    found = verify(tmp_path / "s")
    assert (found.n_engine_changes, found.verdict) == (1, "differs")  # here the engine adds nothing
    assert found.n_compared - found.n_identical < 45

    def open_again(recipe: EngineRecipe, backend: str, n_threads: int, *, precision: str = "") -> Session:
        return (open_failing if precision else open_checked)(recipe, backend, n_threads)

    monkeypatch.setattr(verify_engines, "open_checked", open_again)
    found = verify(tmp_path / "s")
    assert (found.verdict, found.first) == ("identical", None)


def test_what_decoded_is_gone_or_another(session: Path, tmp_path: Path, paradigm: Path) -> None:
    change_json(session, lambda content: content.update(recipe_sha256="0" * 64))
    with pytest.raises(ConfigError, match="give the recipe as it was with --paradigm"):
        verify(session)
    change_json(session, lambda content: content["config"].update(paradigm=str(tmp_path / "gone")))
    with pytest.raises(ConfigError, match="gone"):
        verify(session)
    with pytest.raises(ConfigError, match="the session was decoded with 0000"):
        verify(session, paradigm=str(paradigm))
    change_json(session, lambda content: content["config"].update(nonsense=1))
    with pytest.raises(ConfigError, match="nonsense"):
        verify(session)


def test_another_network(session: Path) -> None:
    change_json(session, lambda content: content["engines"][0].update(network_id="f" * 64))
    with pytest.raises(EngineError, match=r"was decoded with network ffffffffffff\.\.\. of engine"):
        verify(session)


def test_a_profile_that_was_changed_or_lost(tmp_path: Path, paradigm: Path) -> None:
    profile = write_tiny_profile(tmp_path / "ada", paradigm)
    recorded(tmp_path / "s", paradigm, profile=profile)
    (kept,) = (tmp_path / "s" / "profiles").iterdir()
    text = (kept / "profile.json").read_text()
    (kept / "profile.json").write_text(text.replace('"weight": -1.0', '"weight": -2.0'))
    with pytest.raises(ProfileError, match="was changed"):
        verify(tmp_path / "s")
    (kept / "profile.json").write_text("{")
    with pytest.raises(ProfileError, match="cannot be read"):
        verify(tmp_path / "s")
    change_json(tmp_path / "s", lambda content: content.update(profiles=[]))
    with pytest.raises(ProfileError, match="has no copy here"):
        verify(tmp_path / "s")


def test_a_decoder_that_computes_otherwise(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the golden sessions are for: a change of the code shows, with the part that it is in."""
    from rtbci.stages.filter import SosFilter

    push = SosFilter.push
    monkeypatch.setattr(SosFilter, "push", lambda self, chunk: push(self, chunk) * (1.0 + 1e-12))
    found = verify(session)
    assert found.first is not None
    assert (found.verdict, found.first.part) == ("differs", "stage 2 (SosFilter)")


def test_without_a_journal_a_run_keeps_nothing(paradigm: Path) -> None:
    from tests.tiny import eeg, stream_info

    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        decoder.push(eeg(500), np.arange(500) / 250.0)
        assert decoder.pipeline.digests is None


def test_what_a_run_would_refuse_is_a_difference(session: Path) -> None:
    """Somebody took the labels off the stream: the decoder that decoded it then does not, now."""
    recrafted(session, b"<label>C3</label>", b"<label>X3</label>")
    found = verify(session)
    assert found.first is not None
    assert (found.verdict, found.first.part, found.first.recorded) == ("differs", "the run ends", "went on")
    assert "lacks 1 of the 3 channels" in found.first.replayed


def test_a_session_that_ended_by_the_rate_of_its_stream(tmp_path: Path, paradigm: Path) -> None:
    """When a run looks at the rate hangs on the moment; what it had decoded by then does not."""

    class Mislabelled(SyntheticSource):
        @property
        def info(self) -> StreamInfo:
            return replace(super().info, rate_hz=262.0)

    def source(clock: SimulatedClock) -> SyntheticSource:
        return Mislabelled(seed=1, clock=clock, sleep_until=clock.sleep_until)

    what = scenario(duration_s=20.0)
    outcome = record_session(tmp_path / "s", what, source, {"paradigm": str(paradigm)})
    assert isinstance(outcome.error, RateError)
    found = verify(tmp_path / "s")
    assert (found.verdict, found.first) == ("identical", None)
    assert found.n_compared == found.n_predictions > 80


def test_an_electrode_that_gave_no_numbers(tmp_path: Path) -> None:
    """It is decoded around: when it is dead, masked and alive again hangs on the samples in the file."""
    align = '[[stages]]\nkind = "align"\n'
    paradigm = write_paradigm(tmp_path / "tiny", stages=STAGES.format(rate_hz=RATE_HZ) + align)
    dead = {"kind": "nan", "start_s": 4.0, "length_s": 4.0, "channels": ["C3"]}
    outcome = recorded(tmp_path / "s", paradigm, faults=(dead,), seconds=12.0)
    kinds = [one.kind for one in outcome.messages if isinstance(one, Event)]
    assert kinds.count("channel_masked") == kinds.count("channel_unmasked") == kinds.count("not_finite") == 1
    found = verify(tmp_path / "s")
    assert (found.verdict, found.first) == ("identical", None)
    assert found.n_windows == found.n_windows_identical > 100


def test_rows_that_say_anything_take_no_time_and_no_memory(session: Path) -> None:
    """A row's numbers are not believed: neither loops nor lists are as long as they say."""
    content = (session / SESSION_XDF).read_bytes()
    row = content[content.rindex(b'"n_sent":[') :].partition(b"]")[0] + b"]"
    recrafted(session, row, b'"n_sent":[' + b"9" * (len(row) - 15) + b",8,8]")
    found = verify(session)
    assert found.verdict == "identical"
    assert "missing in the file" in " ".join(found.notes)


def test_a_file_is_no_session(session: Path) -> None:
    with pytest.raises(FileFormatError, match="is a file, need the session's folder"):
        verify_session(Request(str(session / SESSION_XDF)), Output(json=True))


def test_markers_that_the_user_named(tmp_path: Path) -> None:
    """They are part of what the session was decoded with."""
    paradigm = write_paradigm(tmp_path / "tiny")
    recorded(
        tmp_path / "s", paradigm, faults=(), seconds=4.0, settings={"stream": {"map": ["cue/left=left_hand"]}}
    )
    assert verify(tmp_path / "s").verdict == "identical"
    change_json(tmp_path / "s", lambda session: session["config"]["stream"].update(map=[]))
    with pytest.raises(ConfigError, match="the session was decoded with"):
        verify(tmp_path / "s")


def test_a_stream_that_is_broken_all_the_time(tmp_path: Path, paradigm: Path) -> None:
    """What is said where no hop is ever complete is found again."""
    faults = [{"kind": "dropout", "start_s": 2.0 + 0.04 * i, "length_s": 0.02} for i in range(150)]
    told = recorded(tmp_path / "s", paradigm, faults=faults)
    broken = [one for one in told.messages if isinstance(one, Prediction) and one.why == "gap"]
    assert len([one for one in broken if one.t_window[0] == one.t_window[1]]) >= 2
    found = verify(tmp_path / "s")
    assert (found.verdict, found.exact, found.first) == ("identical", True, None)
    assert found.n_compared + found.n_said_lost + found.n_untold == found.n_predictions
