"""The decoder: a recording or a stream in, predictions out, the same object for both."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from rtbci.backends.changeable import ChangeableSession
from rtbci.clock import Clock, now
from rtbci.errors import RtbciError
from rtbci.probe.adapt import Adaptation
from rtbci.probe.fusion import Centring
from rtbci.probe.profile import Profile
from rtbci.publish.messages import EngineRef
from rtbci.recipes import AdaptSettings, DecisionSettings, EngineRecipe, ParadigmRecipe, read_paradigm
from rtbci.replay.recording import Recording
from rtbci.runtime.deciding import Deciding, deciding_for
from rtbci.runtime.decision_settings import decision_settings
from rtbci.runtime.engine_opener import Opener, open_checked
from rtbci.runtime.opened import OpenedStream
from rtbci.runtime.opening import open_stream
from rtbci.runtime.parts import Parts
from rtbci.runtime.pipeline import Pipeline
from rtbci.runtime.successor import Successor
from rtbci.runtime.valuing import Valuing
from rtbci.runtime.verdict import Verdict
from rtbci.stages.marker_windows import DroppedMarker
from rtbci.stages.mask import MaskedChain
from rtbci.stages.stage import FloatArray
from rtbci.stream.health import unbroken
from rtbci.stream.layout import ChannelMap
from rtbci.stream.source import Marker, StreamInfo
from rtbci.system.one_thread import one_thread

__all__ = ["Decoder"]


class Decoder:
    """Decode one stream with one paradigm and one profile.

    Parameters
    ----------
    paradigm : str or ParadigmRecipe
        Name or folder of a recipe, or a recipe.
    profile : Profile, str, Path or None
        The user's profile, its path, or None for the population decoder that the paradigm names.
    decision : DecisionSettings or None
        Replaces the profile's, which replaces the recipe's.
    adapt : AdaptSettings or None
        Replaces the recipe's; without both nothing adapts while in use.
    backend : str
        Back end of the engines, or of what they are opened on first; see `rtbci.runtime.engine_change`.
    engine : str
        Name or folder of an engine to use instead of the one that the recipe names.
    n_threads : int
        Threads of the back end.
    clock : callable
        For the times in the estimates.
    ignore : sequence of str
        Electrodes of the stream that are treated as missing, for instance bad ones; may be set anew as an
        attribute, for the next `open`.
    mask : bool
        Whether electrodes that turn out to be bad are replaced by what the others say of them.
    opener : callable
        Opens an engine's session from its recipe, `backend` and `n_threads`; by default one that is checked.

    Attributes
    ----------
    decision : DecisionSettings
        The policy in use; another one after a swap to a profile that has its own.
    decision_from : {'configuration', 'profile', 'recipe'}
        Where it is from.
    valuing : Valuing
        Makes the continuous output, where the recipe has one.

    Raises
    ------
    ConfigError, ProfileError, EngineError
        When recipe, profile and engine cannot be read or do not fit each other.

    Examples
    --------
    >>> from rtbci import Decoder, read_recordings               # doctest: +SKIP
    >>> with Decoder("motor_imagery") as decoder:                # doctest: +SKIP
    ...     verdicts = decoder.decode(read_recordings("S007R12.edf")[0])

    Notes
    -----
    Not thread-safe: one thread opens, pushes and closes; only `prepare` may be called by another.
    """

    _made_of: ClassVar[type[Parts]] = Parts
    needs_every_window: ClassVar[bool] = False  # or late ones may be left undecoded; see `Pipeline.skips`

    def __init__(
        self,
        paradigm: str | ParadigmRecipe = "motor_imagery",
        *,
        profile: Profile | str | Path | None = None,
        decision: DecisionSettings | None = None,
        adapt: AdaptSettings | None = None,
        backend: str = "onnxruntime",
        engine: str = "",
        n_threads: int = 1,
        clock: Clock = now,
        ignore: Sequence[str] = (),
        mask: bool = True,
        opener: Opener = open_checked,
    ) -> None:
        self.recipe = read_paradigm(paradigm) if isinstance(paradigm, str) else paradigm
        self.ignore, self._mask = tuple(ignore), mask
        self._given, self._clock = decision, clock
        self.adapt = adapt or self.recipe.adapt or AdaptSettings(enabled=False)
        self._parts = self._made_of(self.recipe, profile, backend, engine, n_threads, self.adapt, opener)
        self._policy, self.valuing = self._make_policy(), Valuing(self.recipe)
        self._stream: OpenedStream | None = None
        self._lost: deque[DroppedMarker] = deque(maxlen=1000)  # nobody may ask for them
        self._is_left = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of all probabilities."""
        return self.recipe.classes

    @property
    def profile(self) -> Profile | None:
        """The profile in use; None when the engine itself gives probabilities."""
        return self._parts.profile

    @property
    def engine_ref(self) -> EngineRef:
        """The first engine in use; empty strings when no branch has one."""
        return self._parts.engine_ref

    @property
    def engines(self) -> Mapping[str, EngineRecipe]:
        """Recipes of the engines in use, by branch."""
        return self._parts.engines

    @property
    def sessions(self) -> Mapping[str, ChangeableSession]:
        """Sessions of the engines in use, by branch; they belong to the decoder.

        Exchanging what computes behind one is allowed between two pushes; nothing that was decoded is forgotten.
        """
        return self._parts.sessions

    def engine_of(self, branch: str) -> EngineRef:
        """The engine of a branch that has one."""
        return self._parts.engine_of(branch)

    def new_centring(self) -> Centring | None:
        """What a newly opened stream's logits are centred by, fresh; None where the recipe asks for nothing."""
        return self._parts.new_centring()

    @property
    def rate_hz(self) -> float:
        """Rate at which windows are cut, in Hz."""
        return self.pipeline.rate_out_hz

    @property
    def info(self) -> StreamInfo | None:
        """The open stream's rate, labels and units; None while none is open."""
        return None if self._stream is None else self._stream.info

    @property
    def channel_map(self) -> ChannelMap | None:
        """Which channels of the open stream are read, and which are interpolated or inferred; None while none is open."""
        return None if self._stream is None else self._stream.channel_map

    @property
    def gains_uv(self) -> FloatArray:
        """Unit of every channel of the open stream in microvolts, shape (n_channels,)."""
        return np.empty(0) if self._stream is None else self._stream.gains_uv

    @property
    def read(self) -> npt.NDArray[np.bool_]:
        """Which channels of the open stream are read, shape (n_channels,)."""
        return np.empty(0, dtype=bool) if self._stream is None else self._stream.read

    @property
    def adaptation(self) -> Adaptation | None:
        """What adapts to the open stream, if anything does."""
        return None if self._stream is None else self._stream.pipeline.adaptation

    @property
    def electrodes(self) -> MaskedChain | None:
        """What looks after the electrodes of the open stream, in the order of `channel_map.matrix`."""
        return None if self._stream is None else self._stream.pipeline.electrodes

    @property
    def recent_covariance(self) -> FloatArray | None:
        """Of the newest seconds in front of the alignment, a copy; None when there is none yet."""
        return None if self._stream is None else self._stream.pipeline.recent_covariance

    @property
    def n_needed(self) -> int:
        """Samples to push until the next window is complete, at least 1."""
        return self.pipeline.n_needed

    @property
    def delay_s(self) -> float:
        """Group delay of the stages, in seconds; reported, never subtracted."""
        return self.pipeline.delay_s

    def open(self, info: StreamInfo, unit: str = "") -> ChannelMap:
        """Get ready for a stream.

        Parameters
        ----------
        info : StreamInfo
            The stream's rate, labels and units.
        unit : str
            Overrides the stated unit.

        Returns
        -------
        ChannelMap
            Which channels are read, and which are interpolated or inferred.

        Raises
        ------
        ChannelError, RateError, UnitError
            When the stream does not give what the paradigm needs.
        ProfileError
            When the profile was calibrated on other electrodes.
        """
        opened = open_stream(self.recipe, info, self.profile, unit, ignore=self.ignore, mask=self._mask)
        pipeline = self._parts.pipeline(opened.chain, info, self._clock)
        self._stream = OpenedStream(self.recipe, info, opened, self.profile, pipeline)
        self._policy.reset()
        return opened.channel_map

    def push(self, data: FloatArray, t_lsl: FloatArray) -> list[Verdict]:
        """Decode the next samples of the stream.

        Parameters
        ----------
        data : ndarray of float64, shape (n_samples, n_channels)
            As the stream gives them; an electrode with a sample that is not finite is masked at once.
        t_lsl : ndarray of float64, shape (n_samples,)
            Stamps, in seconds.

        Returns
        -------
        list of Verdict
            One for every window that became complete.

        Raises
        ------
        UnitError, SignalError
            When the first second shows that the unit is wrong or the signal unusable.
        """
        estimates = self._opened.push(data, t_lsl)
        self._note_lost()
        verdicts = [self._policy.verdict(estimate) for estimate in estimates]
        return [self.valuing.valued(one, self.pipeline, self._parts.fusion) for one in verdicts]

    def mark(self, marker: Marker) -> None:
        """Take a marker of the experiment."""
        if self._policy.mark(marker):
            self.pipeline.mark(marker)

    def lost_windows(self) -> list[DroppedMarker]:
        """Take the markers since the last call that get no window, oldest first; none where windows slide."""
        found = list(self._lost)
        self._lost.clear()
        return found

    def rehearse(self) -> None:
        """Do once what a decision costs, without changing anything."""
        self.pipeline.rehearse()

    def reset(self) -> None:
        """Forget everything about the stream, as when newly opened."""
        self.pipeline.reset()
        self._policy.reset()

    def restart(self) -> None:
        """Start anew after a gap: no window spans it, but what the alignment has learnt is kept."""
        self.pipeline.restart()
        self._note_lost()
        self._policy.restart()

    @one_thread()
    def decode(self, recording: Recording) -> list[Verdict]:
        """Decode a whole recording, as a live run would have: a gap in its stamps starts the decoder anew.

        Parameters
        ----------
        recording : Recording
            Of `rtbci.replay.read.read_recordings`; its unit is what it states.

        Returns
        -------
        list of Verdict
            One for every window, in time order, with the recording's stamps.

        Raises
        ------
        ChannelError, RateError, UnitError, SignalError, ProfileError
            See `open` and `push`.
        """
        self.open(recording.info)
        for marker in recording.markers:
            self.mark(marker)
        t_s = recording.sample_times()
        verdicts: list[Verdict] = []
        for stretch in unbroken(t_s, recording.info.rate_hz):
            if stretch.start:
                self.restart()
            verdicts += self.push(recording.data[stretch], t_s[stretch])
        return verdicts

    def swap_profile(self, profile: Profile | str | Path | None) -> None:
        """Use another profile from the next window on, at once.

        Its policy replaces the one in use, unless this decoder was given one. A pause after a decision goes on.

        Raises
        ------
        ProfileError
            When it does not fit; the old one stays in use.
        """
        self.use(self.prepare(profile))

    def prepare(self, profile: Profile | str | Path | None) -> Successor:
        """Read, check and build another profile, for `use`; changes nothing.

        Raises
        ------
        ProfileError
            When it cannot be read, or does not fit paradigm, engine or the open stream.

        Notes
        -----
        The one method that another thread may call.
        """
        successor = self._parts.prepare(profile)
        if (stream := self._stream) is not None:
            stream.check_fit(successor)
        return successor

    def warm(self, successor: Successor, n_hops: int) -> bool:
        """Let a prepared profile see up to `n_hops` of the recent hops; whether it has now seen all of them."""
        return self._stream is None or self._stream.pipeline.warm(successor, n_hops)

    def use(self, successor: Successor) -> None:
        """Use a prepared profile from the next window on.

        Raises
        ------
        ProfileError
            When it does not fit the stream that is open now; the old one stays in use.
        """
        if self._stream is not None:
            self._stream.check_fit(successor)
            self._stream.exchange(successor)
        self._parts.use(successor)
        earlier, self._policy = self._policy, self._make_policy()
        self._policy.succeed(earlier)

    def leave(self) -> None:
        """Have `close` leave the engines alone: one of them is still computing, and nobody knows for how long."""
        self._is_left = True

    def close(self) -> None:
        """Free the engines; may be called more than once."""
        if not self._is_left:
            self._parts.close()

    @property
    def pipeline(self) -> Pipeline:
        """What computes on the open stream; another one after `open`."""
        return self._opened.pipeline

    @property
    def _opened(self) -> OpenedStream:
        if self._stream is None:
            raise RtbciError("Decoder: no stream is open, need its metadata first; call open(info)")
        return self._stream

    def _note_lost(self) -> None:
        for one in self.pipeline.lost_windows():
            self._policy.drop(one.marker)
            self._lost.append(one)

    def _make_policy(self) -> Deciding:
        """The policy of the configuration, else of the profile, else of the recipe."""
        self.decision, self.decision_from = decision_settings(self._given, self.profile, self.recipe)
        return deciding_for(self.recipe, self.decision)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
