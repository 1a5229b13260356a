"""A live run on real LSL streams and ZMQ sockets: states, gaps, loss, markers, control, the same as offline."""

import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pylsl
import pytest
import zmq

from rtbci.client import Client
from rtbci.errors import ProfileError
from rtbci.publish.control_client import ControlClient
from rtbci.publish.messages import Prediction
from rtbci.runtime.decoder import Decoder
from tests.integration.live_runs import (
    ANY_PORT,
    PATIENCE_S,
    LiveThread,
    SignalOutlet,
    rtbci_run,
    running,
    wait_for,
)
from tests.integration.lsl_outlets import marker_outlet, unique
from tests.tiny import HOP_S, LABELS, WINDOW_S, stream_info, write_paradigm, write_tiny_profile

pytestmark = pytest.mark.net

QUICK = {"stale_s": 0.4, "lost_s": 0.9}


@pytest.fixture
def paradigm(tmp_path: Path) -> Path:
    return write_paradigm(tmp_path / "tiny")


def _after(predictions: Sequence[Prediction], t_lsl: float) -> list[Prediction]:
    return [one for one in predictions if one.t_window[1] >= t_lsl]


# -- decoding ------------------------------------------------------------------------------------------


def test_streamed_predictions_equal_those_of_the_recording(paradigm: Path) -> None:
    with SignalOutlet(chunk=7) as outlet, running(paradigm, outlet) as run:
        run.wait_state("running")
        wait_for(lambda: len(run.kept.predictions) >= 40, "40 predictions")
    live = run.kept.predictions
    i_first = outlet.i_row(live[0].t_window[0], run.offset_s)
    i_stop = outlet.i_row(live[-1].t_window[1], run.offset_s) + 1
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        verdicts = decoder.push(outlet.rows[i_first:i_stop], outlet.stamps(i_first, i_stop))
    assert len(live) == len(verdicts)
    for prediction, verdict in zip(live, verdicts, strict=True):
        t_window = np.subtract(prediction.t_window, run.offset_s)
        np.testing.assert_allclose(t_window, verdict.estimate.t_window, atol=2e-4)
        assert prediction.decision == verdict.decision
        if verdict.estimate.probs is None:
            assert prediction.probs is None
            assert prediction.why == "warming_up"
        else:
            np.testing.assert_allclose(prediction.probs or (), verdict.estimate.probs, atol=1e-9)
    assert sum(one.probs is not None for one in live) >= 30
    assert {one.label for one in live} >= {"left_hand", "right_hand"}  # the signal wanders: it says something


def test_states_from_waiting_to_stopped_and_a_gap_free_sequence(paradigm: Path) -> None:
    with SignalOutlet() as outlet, running(paradigm, outlet) as run:
        run.wait_state("running")
        wait_for(lambda: len(run.kept.predictions) >= 20, "20 predictions")
    kept = run.kept
    assert kept.states == ["waiting", "warming_up", "running", "stopped"]
    for messages in (kept.predictions, kept.statuses):
        assert [one.seq for one in messages] == list(range(len(messages)))
    n_first = round(WINDOW_S / HOP_S)
    assert [one.why for one in kept.predictions[: n_first - 1]] == ["warming_up"] * (n_first - 1)
    assert kept.predictions[n_first - 1].probs is not None
    assert all(one.age_ms >= 0 for one in kept.predictions)
    for one in kept.predictions:
        trace = one.trace_ms
        assert trace.wait + trace.filter + trace.encode + trace.probe + trace.send == pytest.approx(
            one.age_ms
        )
    status = kept.statuses[-1]
    assert status.rate_hz is not None
    assert status.rate_hz.measured == pytest.approx(250.0, rel=0.01)
    assert run.report is not None
    assert run.report.n_predictions == len(kept.predictions)
    assert kept.is_closed


def test_a_marker_becomes_an_event_in_the_streams_clock(paradigm: Path) -> None:
    source_id = unique("markers")
    markers = marker_outlet(source_id)
    with SignalOutlet() as outlet, running(paradigm, outlet, stream={"markers": source_id}) as run:
        run.wait_state("running")
        markers.wait_for_consumers(PATIENCE_S)
        sent: list[float] = []

        def both_came() -> bool:
            # LSL delivers from the moment of connection on: sent again until they come.
            t_lsl = pylsl.local_clock()
            markers.push_sample(["T1"], t_lsl)
            markers.push_sample(["rest"], t_lsl + 0.01)
            sent.append(t_lsl)
            time.sleep(0.2)
            return len(run.kept.events("marker")) >= 2

        wait_for(both_came, "two markers")
    first, second = run.kept.events("marker")[:2]
    assert (first.value, first.data) == ("T1", {"class": "left_hand"})
    assert (second.value, second.data) == ("rest", {"class": None})
    assert min(abs(first.t_lsl - t_lsl) for t_lsl in sent) < 2e-3
    assert second.t_lsl - first.t_lsl == pytest.approx(0.01, abs=1e-4)


# -- gaps and loss -------------------------------------------------------------------------------------


def test_no_window_spans_a_gap(paradigm: Path) -> None:
    with SignalOutlet() as outlet, running(paradigm, outlet) as run:
        run.wait_state("running")
        t_behind = outlet.skip(25)
        wait_for(lambda: run.kept.events("gap"), "the gap")
        run.wait_state("running")
        wait_for(lambda: _after(run.kept.predictions, t_behind + 1.0), "predictions a second later")
    event = run.kept.events("gap")[0]
    t_behind = event.t_lsl
    assert event.data["gap_s"] == pytest.approx(25 / 250, abs=1e-3)
    later = _after(run.kept.predictions, t_behind)
    assert all(one.t_window[0] >= t_behind for one in later)
    n_first = round(WINDOW_S / HOP_S)
    assert [one.why for one in later[: n_first - 1]] == ["gap"] * (n_first - 1)
    assert later[n_first - 1].probs is not None
    assert run.kept.states == ["waiting", "warming_up", "running", "recovering", "running", "stopped"]
    assert run.report is not None
    assert run.report.n_gaps == 1
    assert run.kept.statuses[-1].n_gaps == 1


def test_a_gap_is_no_wrong_rate(paradigm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Half a second missing in the ten that the rate is measured over would be 5 %.
    from rtbci.runtime import intake

    monkeypatch.setattr(intake, "RATE_SETTLED_S", 0.5)
    with SignalOutlet() as outlet, running(paradigm, outlet) as run:
        run.wait_state("running")
        outlet.skip(125)
        wait_for(lambda: run.kept.events("gap"), "the gap")
        n_statuses = len(run.kept.statuses)
        wait_for(lambda: len(run.kept.statuses) >= n_statuses + 3 or run.error, "three statuses")
        assert run.error is None
    rate = run.kept.statuses[-1].rate_hz
    assert rate is not None
    assert rate.measured == pytest.approx(250.0, rel=0.01)


def test_not_finite_samples_are_never_decoded(paradigm: Path) -> None:
    with SignalOutlet() as outlet, running(paradigm, outlet) as run:
        run.wait_state("running")
        outlet.spoil(12)
        wait_for(lambda: run.kept.events("not_finite"), "the event")
        event = run.kept.events("not_finite")[0]
        wait_for(
            lambda: any(one.probs for one in _after(run.kept.predictions, event.t_lsl)), "a full window again"
        )
    later = _after(run.kept.predictions, event.t_lsl)
    assert all(one.t_window[0] > event.t_lsl for one in later)
    assert later[0].why == "gap"
    assert run.report is not None
    assert run.report.n_not_finite == 12
    assert "recovering" in run.kept.states


def test_a_silent_stream_is_stale_and_comes_back(paradigm: Path) -> None:
    watch = {"stale_s": 0.4, "lost_s": 60.0}
    with SignalOutlet() as outlet, running(paradigm, outlet, watch=watch) as run:
        run.wait_state("running")
        outlet.be_silent(True)
        run.wait_state("stale")
        wait_for(lambda: run.kept.predictions[-1].why == "stream_lost", "a prediction that says so")
        outlet.be_silent(False)
        run.wait_state("running")
    assert run.kept.states == [
        "waiting",
        "warming_up",
        "running",
        "stale",
        "recovering",
        "running",
        "stopped",
    ] or (
        # the first samples may come before the gap is seen in their stamps
        run.kept.states
        == ["waiting", "warming_up", "running", "stale", "running", "recovering", "running", "stopped"]
    )
    assert run.report is not None
    assert run.report.n_gaps == 1


@pytest.mark.slow
def test_a_lost_stream_is_found_again_by_its_source_id(paradigm: Path) -> None:
    outlet = SignalOutlet()
    with running(paradigm, outlet, watch=QUICK) as run:
        run.wait_state("running")
        outlet.close()
        run.wait_state("lost")
        wait_for(lambda: run.kept.events("stream_lost"), "the event")
        wait_for(lambda: run.kept.predictions[-1].why == "stream_lost", "a prediction that says so")
        t_last = run.kept.predictions[-1].t_window[1]
        with SignalOutlet(name=outlet.name, source_id=outlet.source_id, seed=1) as again:
            run.wait_state("running")
            wait_for(lambda: len(_after(run.kept.predictions, t_last + 0.1)) > 20, "new predictions")
    states = run.kept.states
    assert states[:3] == ["waiting", "warming_up", "running"]
    assert states[-4:] == ["lost", "recovering", "running", "stopped"]
    assert "stale" in states
    assert [event.value for event in run.kept.events("stream_recovered")] == [outlet.name]
    new = _after(run.kept.predictions, t_last + 0.1)
    # No window holds anything from before the loss, and it is as if newly decoded.
    i_first = again.i_row(new[0].t_window[0], run.offset_s)
    assert all(again.i_row(one.t_window[0], run.offset_s) >= 0 for one in new)
    i_stop = again.i_row(new[-1].t_window[1], run.offset_s) + 1
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        verdicts = decoder.push(again.rows[i_first:i_stop], again.stamps(i_first, i_stop))
    for prediction, verdict in zip(new, verdicts, strict=True):
        wanted = verdict.estimate.probs
        assert (prediction.probs is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(prediction.probs or (), wanted, atol=1e-9)
        else:
            assert prediction.why == "gap"


def test_it_waits_for_a_stream_when_told_to(paradigm: Path) -> None:
    source_id = unique("later")
    with SignalOutlet() as elsewhere:  # only for its type; the run asks for another
        stream = {"source_id": source_id, "wait": True}
        with running(paradigm, elsewhere, stream=stream) as run:
            wait_for(lambda: len(run.kept.statuses) >= 2, "two statuses")
            assert run.kept.states == ["waiting"]
            with SignalOutlet(source_id=source_id):
                run.wait_state("running")


# -- control -------------------------------------------------------------------------------------------


def test_control_requests(paradigm: Path, tmp_path: Path) -> None:
    profile = write_tiny_profile(tmp_path / "profile", paradigm)
    other = write_paradigm(tmp_path / "other", window_s=1.0)
    unfit = write_tiny_profile(tmp_path / "unfit", other)
    with (
        SignalOutlet() as outlet,
        running(paradigm, outlet) as run,
        ControlClient(run.control_address, timeout_s=PATIENCE_S) as control,
        Client(run.address, ("prediction", "event", "hello"), timeout_s=PATIENCE_S) as client,
    ):
        run.wait_state("running")
        status = control.request("status")
        assert status["state"] == "running"
        assert status["stream"] == {"name": outlet.name, "source_id": outlet.source_id}

        assert control.request("pause") == {"paused": True}
        n_paused = len(run.kept.predictions)
        n_statuses = len(run.kept.statuses)
        wait_for(lambda: len(run.kept.statuses) >= n_statuses + 2, "statuses while paused")
        assert len(run.kept.predictions) == n_paused
        assert run.kept.statuses[-1].paused
        assert run.kept.statuses[-1].state == "running"
        t_resumed = pylsl.local_clock()
        assert control.request("resume") == {"paused": False}
        wait_for(lambda: len(run.kept.predictions) > n_paused, "predictions after the pause")
        assert run.kept.predictions[n_paused].probs is not None  # at once: the stream was drained meanwhile
        assert run.kept.predictions[n_paused].seq == n_paused
        assert run.kept.predictions[n_paused].t_window[1] > t_resumed - 2.0

        marked = control.request("mark", value="T2")
        assert run.kept.events("marker")[-1].data == {"class": "right_hand", "source": "control"}
        assert run.kept.events("marker")[-1].t_lsl == pytest.approx(marked["t_lsl"])

        with pytest.raises(
            ProfileError, match=r"profile of 'ada', generation 1: does not fit paradigm 'tiny': window_s 1\.0"
        ):
            control.request("swap_profile", profile=str(unfit))
        assert not run.kept.events("profile_swapped")
        n_before = len(run.kept.predictions)
        assert control.request("swap_profile", profile=str(profile))["user"] == "ada"
        wait_for(lambda: len(run.kept.predictions) > n_before + 5, "predictions of the new profile")
        swapped = [one for one in run.kept.predictions if one.profile.user == "ada"]
        assert all(one.probs is not None for one in swapped)  # primed with the newest window
        assert run.kept.events("profile_swapped")[0].value == "ada"
        wait_for(
            lambda: client.latest("hello") and client.hello and client.hello.profile.user == "ada", "hello"
        )

        assert control.request("stop") == {"state": "stopped"}
        run.join()
        assert run.kept.states[-1] == "stopped"
    assert run.report is not None
    assert run.report.n_gaps == 0


def test_a_swapped_profile_turns_the_answers_round(paradigm: Path, tmp_path: Path) -> None:
    profile = write_tiny_profile(tmp_path / "profile", paradigm, weight=-1.0)
    with (
        SignalOutlet() as outlet,
        running(paradigm, outlet) as run,
        ControlClient(run.control_address, timeout_s=PATIENCE_S) as control,
    ):
        run.wait_state("running")
        control.request("swap_profile", profile=str(profile))
        wait_for(
            lambda: sum(one.profile.user == "ada" for one in run.kept.predictions) > 10, "its predictions"
        )
    live = run.kept.predictions
    i_first = outlet.i_row(live[0].t_window[0], run.offset_s)
    i_stop = outlet.i_row(live[-1].t_window[1], run.offset_s) + 1
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info())
        verdicts = decoder.push(outlet.rows[i_first:i_stop], outlet.stamps(i_first, i_stop))
    for prediction, verdict in zip(live, verdicts, strict=True):
        if prediction.probs is None or verdict.estimate.probs is None:
            continue
        turned = prediction.profile.user == "ada"
        wanted = verdict.estimate.probs[::-1] if turned else verdict.estimate.probs
        np.testing.assert_allclose(prediction.probs, wanted, atol=1e-6)


# -- a process of its own ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(paradigm: Path, number: int) -> None:
    with (
        SignalOutlet() as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id) as run,
        Client(run.address, ("status",), timeout_s=PATIENCE_S) as client,
    ):
        run.wait_line("state: running")
        client.receive()
        status, said = run.end(number)
        states = []
        while (message := client.receive()).state != "stopped":  # type: ignore[union-attr]
            states.append(message.state)  # type: ignore[union-attr]
    assert status == 0, said
    assert "Traceback" not in said
    assert re.search(r"stopped after \d+ s: \d+ predictions, 0 gaps", said)
    assert said.rstrip().splitlines()[-2] == "state: stopped"


def test_signal_while_it_looks_for_a_stream(paradigm: Path) -> None:
    with rtbci_run("--paradigm", paradigm, "--source-id", unique("nobody"), "--timeout", "600") as run:
        run.wait_line("state: waiting")
        status, said = run.end()
    assert status == 0, said
    assert "stopped after" in said


def test_duration_ends_it(paradigm: Path) -> None:
    with SignalOutlet() as outlet, running(paradigm, outlet, duration_s=2.5) as run:
        run.join()
    assert run.report is not None
    assert 2.5 <= run.report.duration_s < 2.5 + PATIENCE_S
    assert run.kept.states[-1] == "stopped"


def test_the_second_run_on_the_same_port_is_told_whose_it_is(paradigm: Path) -> None:
    with (
        SignalOutlet() as outlet,
        running(paradigm, outlet) as first,
        rtbci_run("--paradigm", paradigm, "--pub", first.address) as second,
    ):
        status, said = second.wait()
    assert status == 7
    assert f"{first.address} is in use by process" in said
    assert first.report is not None


@pytest.mark.slow
def test_a_process_that_was_asleep_skips_the_backlog(paradigm: Path) -> None:
    with (
        SignalOutlet() as outlet,
        rtbci_run("--paradigm", paradigm, "--source-id", outlet.source_id) as run,
        Client(run.address, ("prediction", "status"), timeout_s=PATIENCE_S) as client,
        ControlClient(run.control, timeout_s=PATIENCE_S) as control,
    ):
        run.wait_line("state: running")
        client.receive()
        before = control.request("status")
        run.popen.send_signal(signal.SIGSTOP)
        time.sleep(3.0)  # what is tested is this time itself
        run.popen.send_signal(signal.SIGCONT)
        t_awake = pylsl.local_clock()
        prediction = client.receive()
        while prediction.t_sent < t_awake or not isinstance(prediction, Prediction):
            prediction = client.receive()
        ages_ms: list[float] = []
        while len(ages_ms) < 20:
            if isinstance(message := client.receive(), Prediction):
                ages_ms.append(message.age_ms)
        after = control.request("status")
        status, said = run.end()
    assert status == 0, said
    # 3 s are 48 windows: most were skipped, and what came afterwards was young again.
    assert after["n_skipped"] - before["n_skipped"] >= 30
    assert np.median(ages_ms) < 1500
    assert after["n_overflow"] == 0


def test_a_subscriber_that_does_not_read_disturbs_nobody(paradigm: Path) -> None:
    context = zmq.Context()
    lazy = context.socket(zmq.SUB)
    lazy.setsockopt(zmq.RCVHWM, 1)
    lazy.setsockopt(zmq.LINGER, 0)
    try:
        with (
            SignalOutlet() as outlet,
            running(paradigm, outlet) as run,
            Client(run.address, timeout_s=PATIENCE_S) as client,
        ):
            lazy.connect(run.address)
            lazy.subscribe("")
            run.wait_state("running")
            first = client.receive()
            last = [client.receive() for _ in range(30)][-1]
            assert isinstance(first, Prediction)
            assert isinstance(last, Prediction)
            assert last.seq - first.seq == 30
            assert client.n_lost["prediction"] == 0
    finally:
        lazy.close()
        context.term()


# -- what it costs -------------------------------------------------------------------------------------


def test_labels_of_the_stream_may_be_in_any_order_and_spelling(paradigm: Path) -> None:
    with (
        SignalOutlet(labels=("EOG", "C4", "Cz..", "EEG C3")) as outlet,
        running(paradigm, outlet) as run,
    ):
        run.wait_state("running")
        wait_for(lambda: len(run.kept.predictions) >= 20, "20 predictions")
    live = run.kept.predictions
    i_first = outlet.i_row(live[0].t_window[0], run.offset_s)
    i_stop = outlet.i_row(live[-1].t_window[1], run.offset_s) + 1
    with Decoder(str(paradigm)) as decoder:
        decoder.open(stream_info(LABELS))
        rows = outlet.rows[i_first:i_stop, [3, 2, 1]]
        verdicts = decoder.push(rows, outlet.stamps(i_first, i_stop))
    for prediction, verdict in zip(live, verdicts, strict=True):
        if verdict.estimate.probs is not None:
            np.testing.assert_allclose(prediction.probs or (), verdict.estimate.probs, atol=1e-9)


def test_run_needs_the_thread_of_its_sinks_only(paradigm: Path) -> None:
    """Two runs in one process, on two streams, do not disturb each other."""
    with (
        SignalOutlet() as one,
        SignalOutlet(seed=3) as two,
        running(paradigm, one) as a,
        running(paradigm, two) as b,
    ):
        for run in (a, b):
            run.wait_state("running")
        assert isinstance(a, LiveThread)
        assert a.address != b.address != ANY_PORT
    assert a.kept.predictions[0].session != b.kept.predictions[0].session
