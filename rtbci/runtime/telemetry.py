"""What a run says of itself: hello, parts of status and events, counters."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import NamedTuple

from rtbci.clock import cpu_s
from rtbci.probe.profile import Profile
from rtbci.publish.messages import (
    BaselineRef,
    DecisionSettings,
    HelloContent,
    ProfileRef,
    Rates,
    Scalar,
    ValueRef,
)
from rtbci.recipes import ParadigmRecipe
from rtbci.recipes.value import ValueSettings
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.latency import RecentLatency
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import ChannelMap

__all__ = [
    "Report",
    "Telemetry",
    "baseline_ref",
    "channels_found",
    "hello_of",
    "marker_data",
    "profile_ref",
    "stand_ins",
]


def hello_of(decoder: Decoder) -> HelloContent:
    """What a listener needs to know of a decoder."""
    recipe, decision, info = decoder.recipe, decoder.decision, decoder.info
    return HelloContent(
        rtbci=version("rtbci"),
        paradigm=recipe.name,
        classes=recipe.classes,
        rates_hz=Rates(
            stream=info.rate_hz if info else None,
            decoder=decoder.rate_hz if info else 0.0,
            prediction=1.0 / recipe.window.hop_s,
        ),
        window_s=recipe.window.length_s,
        hop_s=recipe.window.hop_s,
        delay_s=decoder.delay_s if info else 0.0,
        engine=decoder.engine_ref,
        profile=profile_ref(decoder.profile),
        decision=DecisionSettings(
            threshold=decision.threshold,
            dwell_s=decision.dwell_s,
            refractory_s=decision.refractory_s,
            smoothing_s=decision.smoothing_s,
            source=decoder.decision_from,
        ),
        value=_value_ref(recipe.value),
    )


def _value_ref(value: ValueSettings | None) -> ValueRef | None:
    if value is None:
        return None
    baseline_s = None if value.baseline is None else value.baseline.length_s
    return ValueRef(of=value.of, smoothing_s=value.smoothing_s, baseline_s=baseline_s)


def baseline_ref(decoder: Decoder) -> BaselineRef | None:
    """How much of the user's baseline the decoder of an open stream knows; None where it needs none."""
    baseline = decoder.pipeline.baseline
    if baseline is None:
        return None
    return BaselineRef(learnt_s=baseline.learnt_s, length_s=baseline.length_s, source=baseline.source)


def stand_ins(channel_map: ChannelMap) -> dict[str, str]:
    """By label of the layout, the channel of the stream that stands for it; see `rtbci.stream.stand_ins`."""
    return {wanted: name for wanted, name in channel_map.found if canonical_label(name) != wanted}


def channels_found(channel_map: ChannelMap) -> dict[str, str | int]:
    """How much of the layout a stream has, for the event `stream_found`."""
    pairs = ",".join(f"{wanted}={name}" for wanted, name in stand_ins(channel_map).items())
    return {
        **({"stand_ins": pairs} if pairs else {}),
        "n_found": len(channel_map.found),
        "interpolated": ",".join(channel_map.interpolated),
        "inferred": ",".join(channel_map.inferred),
        "ignored": ",".join(channel_map.ignored),
    }


def marker_data(recipe: ParadigmRecipe, text: str) -> dict[str, Scalar]:
    """What the event of a marker says beside its text: the class asked for, and where items flash, what it is of a selection."""
    data: dict[str, Scalar] = {"class": recipe.class_of(text)}
    meant = None if recipe.flashes is None else recipe.flashes.read(text, recipe.classes)
    if meant is not None:
        data["part"] = "flash" if meant.is_flash else meant.kind
    return data


def profile_ref(profile: Profile | None) -> ProfileRef:
    """How messages name a profile; empty for None, when the engine itself gives probabilities."""
    if profile is None:
        return ProfileRef(user="", id="", generation=0)
    return ProfileRef(user=profile.user, id=profile.weights_sha256, generation=profile.generation)


class Report(NamedTuple):
    """What a run did, told at its end.

    `n_rest` samples at the end were recorded and not decoded, where it was more than half a second of them. `is_stuck`: the decoder had not returned from a
    window when the run ended.
    """

    duration_s: float
    n_predictions: int
    n_gaps: int
    n_skipped: int
    n_overflow: int
    n_not_finite: int
    n_rest: int = 0
    is_stuck: bool = False


@dataclass(slots=True)
class Telemetry:
    """Counters of a run.

    Parameters
    ----------
    t_start : float
        Start of the run, seconds of the LSL clock.
    """

    t_start: float
    n_predictions: int = 0
    n_gaps: int = 0
    n_skipped: int = 0
    n_overflow: int = 0
    n_not_finite: int = 0
    n_rest: int = 0
    is_stuck: bool = False
    age_ms: RecentLatency = field(default_factory=RecentLatency)
    _cpu_s: float = field(default_factory=cpu_s)
    _t_cpu: float | None = None

    def report(self, t_now: float) -> Report:
        """What the run did until this moment."""
        return Report(
            t_now - self.t_start,
            self.n_predictions,
            self.n_gaps,
            self.n_skipped,
            self.n_overflow,
            self.n_not_finite,
            self.n_rest,
            self.is_stuck,
        )

    def cpu_percent(self, t_now: float) -> float:
        """CPU time since the last status, in percent of one core."""
        used_s = cpu_s()
        t_before = self.t_start if self._t_cpu is None else self._t_cpu
        percent = 100.0 * (used_s - self._cpu_s) / max(t_now - t_before, 1e-3)
        self._cpu_s, self._t_cpu = used_s, t_now
        return max(0.0, percent)
