"""A synthetic amplifier: EEG of one user who imagines movements, looks at flickers, attends to flashes or works, reproducible to the bit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rtbci.amp.cues import STATES, Cue, GrazCues
from rtbci.amp.eyes import Blinks
from rtbci.amp.feet import FEET, Feet
from rtbci.amp.flashes import Attention, FlashAnswer, FlashCues, flash_dipoles
from rtbci.amp.flicker import PLACES, Flicker, FlickerAnswer
from rtbci.amp.head import Dipole, dipole_at, scalp_gains
from rtbci.amp.rhythms import BlockCues, RhythmAnswer, Rhythms
from rtbci.amp.user import User
from rtbci.errors import ConfigError
from rtbci.recipes.flashes import CUE
from rtbci.stream.noise import BandNoise, Mains, PinkNoise, SlowNoise
from rtbci.stream.source import Channel, FloatArray, Marker, StreamInfo

__all__ = ["DEFAULT_CHANNELS", "Signal", "SyntheticAmp"]

# fmt: off
DEFAULT_CHANNELS = (
    "FP1", "FP2", "F7", "F3", "FZ", "F4", "F8", "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6", "T7",
    "C5", "C3", "C1", "CZ", "C2", "C4", "C6", "T8", "CP5", "CP3", "CP1", "CPZ", "CP2", "CP4", "CP6",
    "P7", "P3", "PZ", "P4", "P8", "O1", "OZ", "O2",
)
# fmt: on
"""The 10-20 system and the sensorimotor electrodes."""
BLOCK_S = 1.0 / 16
"""Length of the blocks in which everything is made, whatever is asked for."""
N_BACKGROUND = 60
ALPHA_PLACES = ("O1", "O2", "PO3", "PO4", "PZ")
HANDS = ("C3", "C4")
EYES = ((-0.33, 0.76, -0.22), (0.33, 0.76, -0.22))
BLINK_AXIS, GAZE_AXIS = (0.0, 1.0, 0.8), (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Signal:
    """How strong everything is; standard deviations in microvolts at the electrode where it is largest.

    Parameters
    ----------
    background_uv : float
        1/f activity of 60 dipoles all over the brain; mean over the electrodes.
    alpha_uv : float
        8.5 to 12 Hz, from posterior dipoles, with slow waxing and waning.
    mu_uv, beta_uv : float
        10 to 12.5 Hz and 18 to 25 Hz over each hand area at rest.
    erd : float
        Share of the amplitude of mu and beta that goes during imagery on the other side of the hand
        (0 to 1). Pfurtscheller, Lopes da Silva 1999, doi:10.1016/S1388-2457(99)00141-8.
    erd_same_side : float
        The same on the hand's own side.
    blink_uv, blink_every_s : float
        Height of a blink at its largest, and mean interval; 0: none.
    saccade_uv : float
        Step at F8 against F7 halves: right gaze makes F8 positive, F7 negative.
    line_uv : float
        Amplitude of the mains; differs between electrodes.
    drift_uv : float
        Slow wandering of each electrode.
    noise_uv : float
        White noise of each channel.
    """

    background_uv: float = 10.0
    alpha_uv: float = 9.0
    mu_uv: float = 8.0
    beta_uv: float = 4.0
    erd: float = 0.5
    erd_same_side: float = 0.1
    blink_uv: float = 90.0
    blink_every_s: float = 6.0
    saccade_uv: float = 20.0
    line_uv: float = 2.0
    drift_uv: float = 7.0
    noise_uv: float = 0.8


class SyntheticAmp:
    """Generates EEG in microvolts: the same settings and seed give the same samples, however asked for.

    Parameters
    ----------
    channels : sequence of str
        Any electrodes of the 10-05 system.
    rate_hz : float
        At least 64, so that the beta rhythm fits.
    seed : int
    cues : bool
        Whether it does Graz trials by itself (`GrazCues`); otherwise `set_state` says what the user does.
    line_hz : float
        Frequency of the mains; left out where the rate cannot carry it. 0: none.
    signal : Signal
        By default with little alpha and mu where there are `rhythms`, which have their own.
    name : str
        Of the stream.
    flicker : Flicker, optional
        The user looks at these targets instead of imagining hands: cues and states are the targets' names.
    feet : bool
        The user can imagine the feet too, and has a rhythm over that area; the rest of the signal is the same.
    rhythms : Rhythms, optional
        The user does these things for long, and rhythms follow: states are theirs, cues come in blocks.
    attention : Attention, optional
        The user attends to an item of a speller instead: states are the items, markers those of `rtbci.speller.markers`, and
        `flash` tells what flashes where `cues` is False.

    Raises
    ------
    ConfigError, ChannelError
        When a setting is impossible.

    Notes
    -----
    Made in blocks of 1/16 s; `set_state` acts from the next block on, 31 ms later on average. Construction
    takes about 0.3 s. Not safe for use from several threads, except `set_state`.
    """

    def __init__(
        self,
        channels: Sequence[str] = DEFAULT_CHANNELS,
        rate_hz: float = 256.0,
        seed: int = 0,
        *,
        cues: bool = True,
        line_hz: float = 50.0,
        signal: Signal | None = None,
        name: str = "rtbci-amp",
        flicker: Flicker | None = None,
        feet: bool = False,
        rhythms: Rhythms | None = None,
        attention: Attention | None = None,
    ) -> None:
        if not 64 <= rate_hz <= 100_000:
            raise ConfigError(f"SyntheticAmp: rate is {rate_hz:g} Hz, need 64 to 100000 Hz; 256 is usual")
        self._signal = signal or (Signal() if rhythms is None else Signal(alpha_uv=3.0, mu_uv=3.0))
        hands = (*STATES, FEET) if feet else STATES
        self.states = hands if flicker is None else ("rest", *flicker.frequencies_hz)
        self.states = self.states if rhythms is None else rhythms.states
        answer = flicker or rhythms or attention or (FEET if feet else None)
        self.info = _info(channels, rate_hz, seed, cues, line_hz, self._signal, name, answer)
        rng_head, rng_cues, rng_eyes, rng_noise, rng_flicker, rng_own = (
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(6)
        )
        s = self._signal
        self._feet = Feet(channels, rate_hz, rng_own, s.mu_uv, s.beta_uv, s.erd) if feet else None
        self._gains = _Gains(channels, rng_head, self._signal)
        self.answer: FlashAnswer | None = None
        self._answer_gains = np.zeros((len(channels), 0))
        if attention is not None:
            self.states = ("rest", *attention.items)
            self.answer = FlashAnswer(attention, rate_hz, rng_own)
            self._answer_gains = scalp_gains(channels, flash_dipoles())
        self._cues: GrazCues | BlockCues | FlashCues | None = None
        if cues:
            self._cues = _cues_for(self.states, rate_hz, rng_cues, rhythms, attention)
        self._rhythms = None if rhythms is None else RhythmAnswer(rhythms, channels, rate_hz, rng_flicker)
        self._flicker = (
            None if flicker is None else FlickerAnswer(flicker.frequencies_hz, rate_hz, rng_flicker)
        )
        self._flicker_gains = np.zeros((len(channels), 0))
        if flicker is not None:
            self._flicker_gains = flicker.answer_uv * scalp_gains(
                channels, [dipole_at(label, 0.75) for label in PLACES]
            )
        self._user = User(rate_hz, self._signal.erd, self._signal.erd_same_side)
        self._blinks = Blinks(self._signal.blink_every_s, rate_hz, rng_eyes)
        self._make_noise(len(channels), rate_hz, rng_noise)
        self._mains = Mains(len(channels), rate_hz, line_hz, self._signal.line_uv, rng_head)
        self._n_block = max(1, round(rate_hz * BLOCK_S))
        self._n_made = 0
        self._asked_state: str | None = None
        self._told: list[Cue] = []
        self._left = np.empty((0, len(channels)))  # made and not handed out yet
        self._markers: list[Cue] = []

    def _make_noise(self, n_channels: int, rate_hz: float, rng: np.random.Generator) -> None:
        self._rng = rng
        self._background = PinkNoise(N_BACKGROUND, rate_hz, rng)
        self._alpha = BandNoise(len(ALPHA_PLACES), 8.5, 12.0, rate_hz, rng)
        self._alpha_level = SlowNoise(1, 0.05, rate_hz, rng)
        self._mu = BandNoise(2, 10.0, 12.5, rate_hz, rng)
        self._beta = BandNoise(2, 18.0, 25.0, rate_hz, rng)
        self._drift = SlowNoise(n_channels, 0.02, rate_hz, rng)

    @property
    def state(self) -> str:
        """What the user does at the newest sample that was made."""
        if self._rhythms is not None:
            return self._rhythms.state
        return self._user.state if self.answer is None else self.answer.attended or "rest"

    @property
    def n_given(self) -> int:
        """Samples handed out so far."""
        return self._n_made - self.n_ahead

    @property
    def n_ahead(self) -> int:
        """Samples that are made, but not handed out yet: what is asked of the user now is done behind them."""
        return len(self._left)

    def set_state(self, state: str) -> None:
        """Let the user do one of `states`, from the next block on; a marker goes with it.

        Raises
        ------
        ConfigError
            When there is no such state.
        """
        if state not in self.states:
            raise ConfigError(f"SyntheticAmp: state is {state!r}, need one of {', '.join(self.states)}")
        self._asked_state = state if self.answer is None or state == "rest" else CUE + state

    def tell(self, text: str, i_sample: int) -> None:
        """Let the user see what the marker of a speller or a flicker says, at a sample of the stream; no marker goes with it.

        Of a flash that is told after its time what comes later of the answer is still made. May be called from any thread.
        """
        self._told.append(Cue(i_sample, text))

    def end_trial(self) -> None:
        """End the trial that flashes by itself: it has been decided. May be called from any thread."""
        if isinstance(self._cues, FlashCues):
            self._cues.end_trial()

    def generate(self, n_samples: int) -> tuple[FloatArray, list[Marker]]:
        """Next `n_samples`.

        Returns
        -------
        data : ndarray of float64, shape (n_samples, n_channels)
            Microvolts; a new array.
        markers : list of Marker
            Cues in these samples; times in seconds from the very first sample.
        """
        blocks = [self._left]
        n_there = self.n_ahead
        while n_there < n_samples:
            blocks.append(self._block())
            n_there += self._n_block
        made = np.concatenate(blocks)
        data, self._left = made[:n_samples].copy(), made[n_samples:]
        due = [cue for cue in self._markers if cue.i_sample < self.n_given]
        self._markers = self._markers[len(due) :]
        return data, [Marker(cue.i_sample / self.info.rate_hz, cue.state) for cue in due]

    def _block(self) -> FloatArray:
        n = self._n_block
        first = self._n_made
        cues = self._cues.until(first + n) if self._cues is not None else []
        asked, self._asked_state = self._asked_state, None
        if asked is not None:
            cues = [Cue(first, asked), *cues]
        self._markers.extend(cues)
        told, self._told = self._told, []
        hands, gaze = self._user.push(first, n, cues)
        s, g = self._signal, self._gains
        alpha = s.alpha_uv * self._alpha.generate(n) * np.exp(0.35 * self._alpha_level.generate(n))
        rhythm = hands * (s.mu_uv * self._mu.generate(n) + s.beta_uv * self._beta.generate(n))
        data: FloatArray = self._background.generate(n) @ g.background.T
        data += alpha @ g.alpha.T
        data += rhythm @ g.hands.T
        if self._flicker is not None:
            data += self._flicker.push(first, n, cues, told) @ self._flicker_gains.T
        if self._feet is not None:
            data += self._feet.push(first, n, cues)
        if self._rhythms is not None:
            data += self._rhythms.push(first, n, cues)
        if self.answer is not None:
            data += self.answer.push(first, n, [*told, *cues]) @ self._answer_gains.T
        data += s.blink_uv * self._blinks.generate(n)[:, None] * g.blink
        data += s.saccade_uv * gaze[:, None] * g.gaze
        data += s.drift_uv * self._drift.generate(n)
        data += s.noise_uv * self._rng.standard_normal(data.shape)
        data += self._mains.samples(first, n)
        self._n_made += n
        return data


class _Gains:
    """Gains (n_channels, n_dipoles) of everything inside the head."""

    def __init__(self, channels: Sequence[str], rng: np.random.Generator, signal: Signal) -> None:
        n_alpha, n_hands = len(ALPHA_PLACES), len(HANDS)
        dipoles = [
            *_random_dipoles(rng),
            *(dipole_at(label, 0.7) for label in ALPHA_PLACES),
            *(dipole_at(label, 0.8) for label in HANDS),
            *(Dipole(np.array(eye), np.array(axis)) for axis in (BLINK_AXIS, GAZE_AXIS) for eye in EYES),
        ]
        gains = scalp_gains(channels, dipoles)
        background, alpha, self.hands, eyes = np.split(
            gains, np.cumsum([N_BACKGROUND, n_alpha, n_hands]), axis=1
        )
        # independent dipoles: powers add
        self.background = background * signal.background_uv / np.sqrt((background**2).sum(axis=1).mean())
        self.alpha = alpha / np.sqrt(n_alpha / 2)
        self.blink = eyes[:, :2].mean(axis=1)
        self.gaze = eyes[:, 2:].mean(axis=1)


def _random_dipoles(rng: np.random.Generator) -> list[Dipole]:
    """Dipoles all over the upper part of the brain, in every direction."""
    places = rng.standard_normal((N_BACKGROUND, 3))
    places[:, 2] = np.abs(places[:, 2]) - 0.3
    places *= rng.uniform(0.4, 0.8, (N_BACKGROUND, 1)) / np.linalg.norm(places, axis=1, keepdims=True)
    axes = rng.standard_normal((N_BACKGROUND, 3))
    return [Dipole(place, axis) for place, axis in zip(places, axes, strict=True)]


def _cues_for(
    states: tuple[str, ...],
    rate_hz: float,
    rng: np.random.Generator,
    rhythms: Rhythms | None,
    attention: Attention | None,
) -> GrazCues | BlockCues | FlashCues:
    """What asks for states: letters, blocks, or trials as in Graz."""
    if attention is not None:
        return FlashCues(attention, rate_hz, rng)
    if rhythms is not None:
        return BlockCues(rate_hz, rhythms)
    return GrazCues(rate_hz, rng, states=states[1:])


def _info(
    channels: Sequence[str],
    rate_hz: float,
    seed: int,
    cues: bool,
    line_hz: float,
    signal: Signal,
    name: str,
    answer: Flicker | Rhythms | Attention | str | None,
) -> StreamInfo:
    asked: tuple[object, ...] = (tuple(channels), rate_hz, seed, cues, line_hz, signal)
    key = repr(asked if answer is None else (*asked, answer)).encode()
    return StreamInfo(
        name=name,
        source_id=f"{name}-{hashlib.blake2s(key, digest_size=4).hexdigest()}",
        rate_hz=rate_hz,
        channels=tuple(Channel(label, "microvolts", "EEG") for label in channels),
        manufacturer="rtbci (synthetic)",
        reference="A1+A2",
    )
