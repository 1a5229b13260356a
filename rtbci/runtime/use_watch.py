"""What a run looks after once a second while a decoder is in use: drift, adaptation's guard, the phase of a flicker."""

from rtbci.probe.drift import LIMIT, DriftMonitor
from rtbci.probe.flicker_clock import HOLD_S
from rtbci.probe.phase_shift import SHIFTS_S, PhaseShift
from rtbci.probe.profile import Profile
from rtbci.publish.messages import DriftRef
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.stages.stage import FloatArray

__all__ = ["MIN_QUALITY", "UseWatch"]

MIN_QUALITY = 0.5
"""With fewer than half of the channels usable there is no decision, no value, and no baseline is learnt."""
PERIOD_S = 0.9
UNHEARD = (
    f"no marker flicker_on or flicker_at/SECONDS within {HOLD_S:g} s: the profile's templates rest, correlation that needs no phase decides; "
    "name the flicker's marker stream with --markers"
)
CHANGED = "the signal has changed: check the cap"
MAX_LOGITS = 64
"""Of the newest windows; a second has 16 of motor imagery."""


class UseWatch:
    """Tells of drift and of what adaptation does; costs nothing but a list's append in front of a decision.

    Parameters
    ----------
    decoder : Decoder
        What is looked after.
    outbox : Outbox
        Gets the events ``recalibration_advised``, ``adaptation_on`` and ``adaptation_rolled_back``, ``phase_known`` and
        ``phase_unknown``.

    Attributes
    ----------
    drift : DriftRef or None
        As of the newest look, for the status.

    Notes
    -----
    Called by whoever holds the decoder. What `guard` does hangs on the samples alone; the moment of a look is the
    status's.
    """

    def __init__(self, decoder: Decoder, outbox: Outbox) -> None:
        self._decoder, self._outbox = decoder, outbox
        self.drift: DriftRef | None = None
        self._logits: list[FloatArray] = []
        self._monitor: DriftMonitor | None = None
        self._profile: Profile | None = None
        self._t_looked = -float("inf")
        self._knows_phase: bool | None = None
        self._shift, self._t_compared = PhaseShift(), -float("inf")
        self._shift_of: Profile | None = None

    def reset(self) -> None:
        """Another stream, or this one after it was lost: what it is compared with is learnt anew."""
        self._monitor, self.drift, self._logits = None, None, []
        self._shift = PhaseShift()

    def note(self, logits: FloatArray | None) -> None:
        """Take a window's logits; looked at later."""
        if logits is not None and len(self._logits) < MAX_LOGITS:
            self._logits.append(logits)

    def guard(self, quality: float) -> None:
        """Take back what adaptation learnt where the signal is bad, and learn no baseline; `quality` is its score, 0 to 1.

        After every chunk, and so at the same samples in every replay: later predictions hang on it.
        """
        adaptation = self._decoder.adaptation
        if adaptation is not None and quality < self._decoder.adapt.min_quality:
            adaptation.roll_back("signal")
        if self._decoder.recipe.value is not None:
            self._decoder.valuing.guard(quality >= MIN_QUALITY, self._decoder.pipeline)

    def look(self, t_now: float) -> None:
        """Once a second, after a decision; `t_now` in seconds of the local LSL clock."""
        if t_now - self._t_looked < PERIOD_S:
            return
        self._t_looked = t_now
        self._tell_of_adaptation(t_now)
        self._tell_of_phase(t_now)
        self._look_at_phase(t_now)
        self._look_at_drift(t_now)
        self._logits = []

    def _tell_of_adaptation(self, t_now: float) -> None:
        adaptation = self._decoder.adaptation
        if adaptation is None:
            return
        while adaptation.events:
            event = adaptation.events.popleft()
            self._outbox.event(event.kind, t_now, event.reason, {"shift": event.shift})

    def _tell_of_phase(self, t_now: float) -> None:
        """Whether a user's own templates decide, or what needs no phase."""
        if not self._logits:  # before a window is full nothing decides
            return
        knows = self._decoder.pipeline.knows_phase
        if knows is self._knows_phase:
            return
        self._knows_phase = knows
        if knows:
            self._outbox.event(
                "phase_known", t_now, "templates of the profile are compared at the flicker's phase"
            )
        elif knows is not None:
            self._outbox.event("phase_unknown", t_now, UNHEARD)

    def _look_at_phase(self, t_now: float) -> None:
        """Whether templates would agree better at another time of the flicker; in windows that share no sample."""
        if not self._knows_phase:
            return
        pipeline, profile = self._decoder.pipeline, self._decoder.profile
        if t_now - self._t_compared < pipeline.grid.length / pipeline.rate_out_hz:
            return
        agreement = pipeline.phase_agreement(SHIFTS_S)
        if agreement is None:
            return
        self._t_compared = t_now
        if profile is not self._shift_of:
            self._shift, self._shift_of = PhaseShift(), profile
        shift_s = self._shift.push(agreement)
        if shift_s is not None:
            side = "later" if shift_s < 0 else "earlier"
            said = (
                f"the flicker is answered {1e3 * abs(shift_s):.0f} ms {side} than in the calibration: display or amplifier "
                "have another delay"
            )
            self._outbox.event("recalibration_advised", t_now, said, {"shift_ms": -1e3 * shift_s})

    def _look_at_drift(self, t_now: float) -> None:
        covariance, profile = self._decoder.recent_covariance, self._decoder.profile
        if covariance is None or not self._logits:  # no window was decoded: nothing new to compare
            return
        if self._monitor is None or (profile is not self._profile and _has_reference(profile)):
            self._monitor = DriftMonitor(profile, len(covariance))
        self._profile = profile
        drift = self._monitor.push(t_now, covariance, self._logits)
        if drift is None:
            return
        self.drift = DriftRef(
            signal=drift.signal, limit=LIMIT, logits=drift.logits, reference=drift.reference
        )
        if drift.advised:
            self._outbox.event(
                "recalibration_advised", t_now, CHANGED, {"signal": drift.signal, "limit": LIMIT}
            )


def _has_reference(profile: Profile | None) -> bool:
    return profile is not None and "drift.covariance" in profile.weights
