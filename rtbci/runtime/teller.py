"""What a live run says of what it decoded: predictions, why there is none, status, and what is told once a second."""

from collections.abc import Callable, Sequence

from rtbci.clock import Clock
from rtbci.publish.messages import Quality, Rate, Status, StatusContent, StreamRef, Why
from rtbci.publish.outbox import Decoded, Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.intake import Intake
from rtbci.runtime.news import FAILED, RESUMED, STARTED, News
from rtbci.runtime.quality import SignalQuality
from rtbci.runtime.telemetry import Telemetry, baseline_ref, profile_ref
from rtbci.runtime.use_watch import MIN_QUALITY, UseWatch
from rtbci.runtime.verdict import Verdict
from rtbci.runtime.watch import StreamWatch

__all__ = ["Teller"]

SILENT_S = 1.0
"""Signal that makes no window, because it is broken again and again, until that is said."""


class Teller:
    """Turns verdicts and counters into messages.

    Parameters
    ----------
    decoder : Decoder
        What decodes.
    outbox : Outbox
        Where messages go.
    telemetry : Telemetry
        Counters of the run.
    watch : StreamWatch
        State of the stream.
    use : UseWatch
        Is shown all logits; knows the drift.
    is_paused : callable
        Nothing is predicted while it says so.
    clock : callable
        Time in seconds of the local LSL clock.

    Attributes
    ----------
    quality : SignalQuality or None
        Of the open stream.
    recording : str or None
        Folder that the session is written to; empty: nothing is written; None: not known.

    Notes
    -----
    Called by whoever holds the run's lock.
    """

    def __init__(
        self,
        decoder: Decoder,
        outbox: Outbox,
        telemetry: Telemetry,
        watch: StreamWatch,
        use: UseWatch,
        is_paused: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._decoder, self._outbox, self._telemetry = decoder, outbox, telemetry
        self._watch, self._use, self._is_paused, self._clock = watch, use, is_paused, clock
        self._intake: Intake | None = None
        self.quality: SignalQuality | None = None
        self.recording: str | None = None
        self._t_window: tuple[float, float] | None = None
        self._n_duplicates_told = self._n_silent = 0
        self._is_foreign = False

    def opened(self, intake: Intake, quality: SignalQuality) -> None:
        """Another stream, or this one after it was lost."""
        self._intake, self.quality = intake, quality
        self._n_duplicates_told = self._n_silent = 0

    @property
    def score(self) -> float:
        """Of the signal, 0 to 1; 1 before the first look at it."""
        return self.quality.quality.score if self.quality else 1.0

    def predict(self, verdict: Verdict, t_taken: float) -> None:
        """Publish what one window says; nothing while paused."""
        estimate = verdict.estimate
        self._t_window = estimate.t_window
        if estimate.probs is not None or estimate.is_refused:
            self._watch.full()
        if self._is_paused():
            return
        quality = self.quality.quality if self.quality else Quality(score=1.0)
        # Not what is known of the electrodes.
        is_unseen = estimate.is_refused and quality.score >= MIN_QUALITY
        clean = 0.0 if is_unseen else estimate.clean
        if clean < 1.0:  # whatever the electrodes: guard and branches say less than MIN_QUALITY
            score = min(quality.score, MIN_QUALITY * clean)
            quality = Quality(score=score, bad_channels=quality.bad_channels)
        decision, why = verdict.decision, self._why(verdict, quality)
        if why is not None:
            decision = None
        t_decided = self._clock()
        t_end = estimate.t_window[1]
        spent_ms = 1e3 * (t_decided - t_taken)
        filter_ms, encode_ms = 1e3 * estimate.filter_s, 1e3 * estimate.encode_s
        message = self._outbox.prediction(
            Decoded(
                probs=_probs(verdict),
                decision=decision,
                why=why,
                t_window=estimate.t_window,
                quality=quality,
                wait_ms=1e3 * (t_taken - t_end),
                filter_ms=filter_ms,
                encode_ms=encode_ms,
                probe_ms=spent_ms - filter_ms - encode_ms,
                t_decided=t_decided,
                refractory=verdict.refractory,
                value=verdict.value if why != "poor_signal" else None,
            )
        )
        self._telemetry.n_predictions += 1
        self._use.note(estimate.logits)
        # By the stamps of another clock nobody knows how old anything is.
        if estimate.probs is not None and not self._is_foreign:
            self._telemetry.age_ms.push(message.age_ms)
        if decision is not None:
            self._outbox.event("decision", t_end, decision)

    def tell(self, news: News, t_now: float) -> None:
        """Publish what there is to tell, and keep what it says of the recording."""
        if news.kind in (STARTED, RESUMED, FAILED):
            self.recording = "" if news.kind == FAILED else news.value
        self._outbox.event(news.kind, t_now, news.value, news.data)

    def say_missing(self, t_now: float) -> None:
        """Without data, a prediction that says so."""
        t_window, quality = self._t_window, self.quality
        if self._watch.state not in ("stale", "lost") or self._is_paused() or not t_window or not quality:
            return
        self._say_nothing("stream_lost", t_window, quality.quality, t_now, t_now)

    def decoded(self, n_samples: int, n_windows: int) -> None:
        """So many samples were decoded, and made so many windows."""
        self._n_silent = 0 if n_windows else self._n_silent + n_samples

    def say_broken(self, t_lsl: float, t_taken: float) -> None:
        """Where breaks come so often that no hop is ever complete, a prediction that says so, as often as `SILENT_S`.

        By numbers of samples alone, so that `rtbci verify` finds it again. `t_lsl` is the stamp of the first sample behind
        a break, `t_taken` when it came, both in seconds.
        """
        window, quality = self._decoder.recipe.window, self.quality
        if self._intake is None or quality is None or window.policy != "sliding":
            return
        if self._n_silent < max(SILENT_S, 2 * window.hop_s) * self._intake.info.rate_hz:
            return
        self._n_silent = 0
        if self._is_paused():
            return
        self._t_window = (t_lsl, t_lsl)  # one that begins with this sample
        self._say_nothing(self._watch.why, self._t_window, quality.quality, t_taken, self._clock())

    def _say_nothing(
        self, why: Why, t_window: tuple[float, float], quality: Quality, t_taken: float, t_now: float
    ) -> None:
        """A prediction of which nothing was decoded."""
        wait_ms = 1e3 * (t_taken - t_window[1])
        self._outbox.prediction(Decoded(None, None, why, t_window, quality, wait_ms, 0.0, 0.0, 0.0, t_now))
        self._telemetry.n_predictions += 1

    def say_duplicates(self, t_now: float) -> None:
        """How many samples have come twice, when there are more."""
        if self._intake is None:
            return
        if (n := self._intake.n_duplicates) > self._n_duplicates_told:
            self._outbox.event("duplicates", t_now, "", {"n_samples": n})
        self._n_duplicates_told = n

    def say_clock(self, t_now: float) -> None:
        """That the stamps are of another clock than the local one, or no longer."""
        if self._intake is None or not self._intake.stamp_clock.is_settled:
            return
        offset_s = self._intake.stamp_clock.offset_s
        if (offset_s is not None) == self._is_foreign:
            return
        self._is_foreign = offset_s is not None
        if offset_s is None:
            self._outbox.event("local_clock", t_now)
        else:
            self._outbox.event("foreign_clock", t_now, _meaning(offset_s), {"offset_s": offset_s})

    def status(self, t_now: float) -> Status:
        """Publish how the run is."""
        intake, counted = self._intake, self._telemetry
        stream = rate = offset_s = usual = None
        if intake is not None:
            info = intake.info
            stream = StreamRef(name=info.name, source_id=info.source_id)
            rate = Rate(nominal=info.rate_hz, measured=intake.measured_hz, ppm=intake.ppm)
            offset_s, usual = intake.stamp_clock.offset_s, baseline_ref(self._decoder)
        return self._outbox.status(
            StatusContent(
                state=self._watch.state,
                paused=self._is_paused(),
                stream=stream,
                rate_hz=rate,
                latency_ms=counted.age_ms.percentiles(),
                cpu_percent=counted.cpu_percent(t_now),
                uptime_s=t_now - counted.t_start,
                n_predictions=counted.n_predictions,
                n_gaps=counted.n_gaps,
                n_skipped=counted.n_skipped,
                n_overflow=counted.n_overflow,
                profile=profile_ref(self._decoder.profile),
                drift=self._use.drift,
                bad_channels={} if self.quality is None else self.quality.bad,
                clock_offset_s=offset_s,
                baseline=usual,
                recording=self.recording,
            )
        )

    def _why(self, verdict: Verdict, quality: Quality) -> Why | None:
        if verdict.estimate.probs is None and not verdict.estimate.is_refused:
            return self._watch.why
        if quality.score < MIN_QUALITY:
            return "poor_signal"
        return verdict.why


def _probs(verdict: Verdict) -> Sequence[float] | None:
    """What is published: of the items, where windows are of flashes."""
    if verdict.items is not None or verdict.estimate.probs is None:
        return verdict.items
    probs: list[float] = verdict.estimate.probs.tolist()
    return probs


def _meaning(offset_s: float) -> str:
    """What stamps of another clock mean to people."""
    side = "ahead of" if offset_s > 0 else "behind"
    return (
        f"stamps are {abs(offset_s):.1f} s {side} this computer's clock: age_ms and trace_ms.wait are off by that, "
        "markers fit only when they are stamped by the same clock; have the sender stamp with the LSL clock"
    )
