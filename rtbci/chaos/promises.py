"""What a run promises under faults, compared with what it did."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rtbci.chaos.flow import Injected
from rtbci.chaos.scenario import ArrivalJitter, ClockJump, ClockReset, Drift, Scenario, Vanish
from rtbci.chaos.simulate import OPEN_S, Outcome
from rtbci.chaos.watched import WatchedDecoder
from rtbci.config import WatchSettings
from rtbci.errors import ChannelError
from rtbci.publish.messages import Event, Prediction, Status
from rtbci.runtime.dead import DEAD_S
from rtbci.runtime.live import POLL_S, RETRY_S
from rtbci.runtime.stamp_clock import AHEAD_S, BEHIND_S, SETTLED_S
from rtbci.stages.electrode_faults import N_COMPARE

__all__ = ["Promise", "check_promises"]

CHUNK_S = 0.05
"""Longest chunk of the streams that are run; nothing is known of a sample before its chunk is there."""
LOOK_S = 2.1
"""Electrodes are judged every quarter of a second: a fault shows at the latest two seconds after it began."""
RECOVERED_S = 4.1
"""One that is good again is so for 1.5 s before it is believed, and the rails that it was at are looked for over 2 s."""
DEAD_AFTER_S = DEAD_S + 0.1
METERED_S = 11.5
"""The rate is measured over ten seconds, and told every second."""
MASKED = ("flat", "saturation", "line_noise", "noise", "nan", "inf")
INTERRUPTING = ("dropout", "nan", "inf", "vanish", "clock_jump", "clock_reset", "burst")
"""Faults behind which decoding must soon go on."""


class Promise(NamedTuple):
    """One promise: its text, whether it was kept, and what was seen."""

    text: str
    kept: bool
    seen: str


def check_promises(
    scenario: Scenario, outcome: Outcome, decoder: WatchedDecoder, watch: WatchSettings
) -> list[Promise]:
    """Compare a run with what it promises for the faults of its scenario.

    Parameters
    ----------
    scenario : Scenario
    outcome : Outcome
        Of `rtbci.chaos.simulate.simulate`.
    decoder : WatchedDecoder
        That decoded.
    watch : WatchSettings
        Of the run.

    Returns
    -------
    list of Promise
        Those that concern the scenario; "windows" and "finite" always do.
    """
    judge = _Judge(scenario, outcome, decoder, watch)
    return [one for one in (judge.windows(), judge.finite(), *judge.others()) if one is not None]


class _Judge:
    def __init__(
        self, scenario: Scenario, outcome: Outcome, decoder: WatchedDecoder, watch: WatchSettings
    ) -> None:
        self._scenario, self._outcome, self._decoder, self._watch = scenario, outcome, decoder, watch
        self._window = decoder.recipe.window
        self._predictions = [one for one in outcome.messages if isinstance(one, Prediction)]
        self._full = [one for one in self._predictions if one.probs is not None]
        self._t_end = outcome.t_start_lsl + scenario.duration_s
        self._is_refused = any(isinstance(f, Vanish) and f.labels == "renamed" for f in scenario.faults)
        self._is_replaced = any(isinstance(f, Vanish) and f.source_id == "other" for f in scenario.faults)

    def windows(self) -> Promise:
        """No window across a gap, by the numbers of the samples and by the stamps."""
        lengths_s = np.array([one.t_window[1] - one.t_window[0] for one in self._full] or [np.nan])
        off_s = float(np.abs(lengths_s - (self._window.length_s - 1.0 / self._decoder.rate_hz)).max())
        # A window of the decoder's rate begins and ends on samples of the stream's.
        allowed_s = 1.1 / self._rate_hz + sum(
            fault.jitter_s if isinstance(fault, ArrivalJitter) and fault.stamps else 0.0
            for fault in self._scenario.faults
        )
        n = self._decoder.n_broken
        kept = bool(self._full) and n == 0 and off_s <= allowed_s
        seen = f"{n} of {len(self._full)} windows, lengths within {1e3 * off_s:.1f} ms"
        return Promise("no window spans a gap", kept, seen)

    def finite(self) -> Promise:
        """Nothing that is not finite goes in or comes out."""
        bad = sum(not np.isfinite(one.probs).all() for one in self._full if one.probs is not None)
        n = self._decoder.n_not_finite
        return Promise("nothing not finite", not bad and not n, f"{n} samples decoded, {bad} published")

    def others(self) -> Iterator[Promise | None]:
        yield self._recovery()
        yield self._missing()
        yield self._poor()
        yield self._named()
        yield self._masked()
        yield self._clock()
        yield self._rate()
        yield self._age()
        yield self._skipped()
        yield self._ending()

    def _recovery(self) -> Promise | None:
        """From the first good sample to the next full window."""
        late_s = []
        for record, t_back in self._interruptions():
            if self._is_refused or self._is_replaced or not self._is_left_alone(record, t_back):
                continue
            sent = self._full_again(record, t_back)
            gone_s = record.length_s or 0.0
            looked_for = record.kind in ("vanish", "burst") and gone_s > self._watch.lost_s
            late_s.append(sent - t_back - (OPEN_S + RETRY_S if looked_for else 0.0))
        if not late_s:
            return None
        limit_s = self._window.length_s + self._window.hop_s + CHUNK_S
        text = f"decoding again within {limit_s:.2f} s of good data"
        return Promise(text, max(late_s) <= limit_s, f"{len(late_s)} times, longest {max(late_s):.2f} s")

    def _full_again(self, record: Injected, t_back: float) -> float:
        """When the first full window of good data was sent; one from before the fault may still come behind it."""
        t_from, t_seen = t_back, t_back + 2 * self._window.hop_s + CHUNK_S + OPEN_S + RETRY_S
        if record.kind != "burst":
            # Where there is none, the fault was on a channel that is not read, and nothing was interrupted.
            empty = [one.t_sent for one in self._predictions if one.probs is None]
            t_from = next((t for t in empty if t_back <= t <= t_seen), t_back)
        return next((one.t_sent for one in self._full if one.t_sent >= t_from), np.inf)

    def _missing(self) -> Promise | None:
        """While nothing comes, messages say so."""
        told, wrong = 0, 0
        for record in self._records(("vanish", "burst")):
            t_from = record.t_lsl + self._watch.stale_s + 2 * POLL_S + CHUNK_S
            t_to = self._until(record)
            if t_to - t_from < 1.0 + POLL_S:
                continue
            during = [one for one in self._predictions if t_from <= one.t_sent < t_to]
            states = [one for one in self._statuses() if t_from <= one.t_sent < t_to]
            told += len(during)
            wrong += sum(one.why != "stream_lost" for one in during) + (not during)
            wrong += sum(one.state not in ("stale", "lost") for one in states) + (not states)
        if not told and not wrong:
            return None
        return Promise("says that the stream is lost", not wrong, f"{told} times told, {wrong} wrong")

    def _poor(self) -> Promise | None:
        """No decision while most electrodes are flat or at the rails."""
        wrong = n = 0
        for record in self._records(("flat", "saturation")):
            if self._is_of_some(record):
                continue
            t_from, t_to = record.t_lsl + LOOK_S, self._until(record)
            during = [one for one in self._predictions if t_from <= one.t_sent < t_to]
            n += len(during)
            wrong += sum(one.why != "poor_signal" for one in during)
        return (
            Promise("poor_signal while electrodes are off", not wrong, f"{n} windows, {wrong} wrong")
            if n
            else None
        )

    def _named(self) -> Promise | None:
        """Single bad electrodes are told while they are bad, and not when they are good again."""
        wrong = n = 0
        for record in self._records(("flat", "saturation", "line_noise", "noise")):
            if not self._is_of_some(record) or (record.kind == "noise" and not self._compares):
                continue
            bad, t_to = set(str(record.data["channels"]).split(",")), self._until(record)
            during = [one for one in self._full if record.t_lsl + LOOK_S <= one.t_window[1] < t_to]
            t_good = t_to + RECOVERED_S
            later = [one for one in self._full if t_good <= one.t_window[1] < t_good + 0.5]
            n += len(during)
            wrong += sum(not bad <= set(one.quality.bad_channels) for one in during)
            wrong += sum(bool(bad & set(one.quality.bad_channels)) for one in later)
        return Promise("bad electrodes are named", not wrong, f"{n} windows, {wrong} wrong") if n else None

    def _masked(self) -> Promise | None:
        """A bad electrode is masked and unmasked, and decoding goes on meanwhile, also without its numbers."""
        faults = [one for one in self._records(MASKED) if self._replaces and self._can_be_masked(one)]
        wrong = 0
        for record in faults:
            t_to, names = self._until(record), str(record.data["channels"]).split(",")
            times = [("channel_masked", record.t_lsl, record.t_lsl + LOOK_S)]
            times += (
                [("channel_unmasked", t_to, t_to + RECOVERED_S)] if t_to + RECOVERED_S < self._t_end else []
            )
            wrong += sum(not self._told(kind, name, *span) for kind, *span in times for name in names)
            t_again = record.t_lsl + (DEAD_AFTER_S if record.kind in ("nan", "inf") else 0.0)
            t_again += self._window.length_s + self._window.hop_s + CHUNK_S
            during = [one for one in self._predictions if t_again <= one.t_window[1] < t_to]
            wrong += sum(one.probs is None or one.why == "poor_signal" for one in during)
        text = "bad electrodes are masked, decoding goes on"
        return Promise(text, not wrong, f"{len(faults)} times, {wrong} wrong") if faults else None

    def _can_be_masked(self, record: Injected) -> bool:
        """Whether a fault is of a few electrodes that are read, long enough, and alone in its time."""
        read, names = self._decoder.read_labels, str(record.data["channels"]).split(",")
        t_to = self._until(record)
        alone = not any(
            one is not record and one.t_lsl < t_to + RECOVERED_S and self._until(one) > record.t_lsl
            for one in self._outcome.records
        )
        few = 2 * len(names) <= len(read) and set(names) <= set(read)
        known = record.kind != "noise" or len(read) >= N_COMPARE
        return few and known and alone and t_to - record.t_lsl >= LOOK_S

    def _told(self, kind: str, name: str, t_from: float, t_to: float) -> bool:
        events = [one for one in self._outcome.messages if isinstance(one, Event)]
        return any(one.kind == kind and one.value == name and t_from <= one.t_lsl <= t_to for one in events)

    def _clock(self) -> Promise | None:
        """Stamps of another clock are told, with how far they are off."""
        told = [
            one for one in self._outcome.messages if isinstance(one, Event) and one.kind == "foreign_clock"
        ]
        off_s = []
        for record in self._records(("clock_jump", "clock_reset")):
            by_s = float(str(record.data["offset_s"]))
            if -BEHIND_S <= by_s <= AHEAD_S or self._until(record) - record.t_lsl < SETTLED_S + 1.5:
                continue
            found = [
                one for one in told if record.t_lsl - 1.0 <= one.t_sent <= record.t_lsl + SETTLED_S + 1.5
            ]
            off_s.append(min((abs(float(str(one.data["offset_s"])) - by_s) for one in found), default=np.inf))
        if not off_s:
            return None
        return Promise(
            "stamps of another clock are told",
            max(off_s) < 0.2,
            f"{len(off_s)} times, within {max(off_s):.2f} s",
        )

    def _rate(self) -> Promise | None:
        """The rate that the stamps show is told, to 20 millionths."""
        off_ppm = []
        for record in self._records(("drift",)):
            if (record.length_s or 0.0) < METERED_S or any(
                isinstance(f, Vanish) for f in self._scenario.faults
            ):
                continue
            told = [one.rate_hz for one in self._statuses() if one.t_sent < self._until(record)]
            measured_hz = told[-1].measured if told and told[-1] else None
            ppm = float(str(record.data["ppm"]))
            true_hz = self._rate_hz / (1.0 + 1e-6 * ppm)
            off_ppm.append(np.inf if measured_hz is None else abs(1e6 * (measured_hz / true_hz - 1.0)))
        if not off_ppm:
            return None
        return Promise("the true rate is told", max(off_ppm) <= 20.0, f"within {max(off_ppm):.1f} ppm")

    def _age(self) -> Promise | None:
        """A backlog is never decoded as if it were now."""
        if any(isinstance(fault, ClockJump | ClockReset | Drift) for fault in self._scenario.faults):
            return None
        # What is late by less than a backlog is decoded.
        limit_s = self._watch.max_backlog_s + self._window.hop_s + 2 * CHUNK_S
        oldest_s = max((one.age_ms / 1e3 for one in self._full), default=0.0)
        report = self._outcome.report
        seen = f"oldest {oldest_s:.2f} s, {report.n_skipped if report else 0} windows skipped"
        return Promise(f"no window older than {limit_s:.2f} s decoded as now", oldest_s <= limit_s, seen)

    def _skipped(self) -> Promise | None:
        """Windows are only skipped when they are late."""
        held_s = max((one.length_s or 0.0 for one in self._records(("burst",))), default=0.0)
        report = self._outcome.report
        if report is None or held_s + CHUNK_S > self._watch.max_backlog_s:
            return None
        return Promise("no window in time is skipped", report.n_skipped == 0, f"{report.n_skipped} skipped")

    def _ending(self) -> Promise:
        """How it ends: running, or refused, or lost for good."""
        error, states = self._outcome.error, [one.state for one in self._statuses()]
        before = next((state for state in reversed(states) if state != "stopped"), "")
        if self._is_refused:
            kept = isinstance(error, ChannelError)
            return Promise("refused with the reason", kept, str(error).split("\n")[0])
        if self._is_replaced:
            t_gone = min(record.t_lsl for record in self._records(("vanish",)))
            later = [one for one in self._full if one.t_window[1] > t_gone]
            return Promise(
                "another device is not decoded", not later and before == "lost", f"{before} to the end"
            )
        return Promise(
            "the run goes on", error is None and before in ("running", "recovering"), f"{error or before}"
        )

    # -- what was injected -------------------------------------------------------------------------------

    @property
    def _compares(self) -> bool:
        """Whether there are enough electrodes to tell noise from EEG."""
        return len(self._decoder.read_labels) >= N_COMPARE

    @property
    def _replaces(self) -> bool:
        return self._decoder.electrodes is not None and self._decoder.electrodes.can_replace

    @property
    def _rate_hz(self) -> float:
        info = self._decoder.info
        return 250.0 if info is None else info.rate_hz

    def _statuses(self) -> list[Status]:
        return [one for one in self._outcome.messages if isinstance(one, Status)]

    def _records(self, kinds: Sequence[str]) -> list[Injected]:
        return [one for one in self._outcome.records if one.kind in kinds]

    def _is_of_some(self, record: Injected) -> bool:
        """Whether a fault is one of single channels, not of all electrodes."""
        fault = self._scenario.faults[record.fault]
        return bool(getattr(fault, "n_channels", None) or getattr(fault, "channels", ()))

    def _until(self, record: Injected) -> float:
        t_end = np.inf if record.length_s is None else record.t_lsl + record.length_s
        return min(t_end, self._t_end)

    def _interruptions(self) -> Iterator[tuple[Injected, float]]:
        """Each fault behind which decoding must go on, with the time from which data is good."""
        for record in self._records(INTERRUPTING):
            if record.kind in ("clock_jump", "clock_reset"):
                yield record, record.t_lsl
            if record.length_s is not None:
                yield record, record.t_lsl + record.length_s

    def _is_left_alone(self, record: Injected, t_back: float) -> bool:
        """Whether nothing else goes wrong until a window must be full again."""
        t_full = t_back + self._window.length_s + self._window.hop_s + 2 * CHUNK_S + OPEN_S + RETRY_S
        spans = [
            (one.t_lsl, self._until(one))
            for one in self._records(INTERRUPTING)
            if one is not record and one.kind not in ("clock_jump", "clock_reset")
        ]
        jumps = [
            t
            for one in self._records(("clock_jump", "clock_reset"))
            for t in (one.t_lsl, self._until(one))
            if one is not record or t > t_back + 1e-9
        ]
        busy = any(start < t_full and stop > t_back for start, stop in spans)
        return t_full < self._t_end and not busy and not any(t_back < t < t_full for t in jumps)
