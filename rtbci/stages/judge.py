"""Which electrodes give no EEG while a stream runs: judged in blocks of samples, with hysteresis."""

import numpy as np
import numpy.typing as npt

from rtbci.stages.electrode_faults import (
    CLIPPED_SHARE,
    FLAT_UV,
    MAX_LINE_SHARE,
    MAX_Z,
    N_COMPARE,
    NOISY_UV,
    agreement,
    line_power,
    log_levels_off,
)
from rtbci.stages.stage import FloatArray

__all__ = ["BLOCK_S", "REASONS", "ElectrodeJudge"]

BLOCK_S = 0.25
REASONS = (
    "",
    "unlike all others",
    "too weak",
    "too strong",
    "offset step",
    "drift",
    "line noise",
    "saturated",
    "flat",
    "not finite",
)
"""Of two that fit the later one is told."""
UNLIKE, WEAK, STRONG, STEP, DRIFT, LINE, SATURATED, FLAT, NOT_FINITE = range(1, len(REASONS))

NOTHING_UV = 1e-6
"""Below it is what filters leave of a constant: rounding, that would correlate with anything and hang on how the stream was cut."""
N_SUSPECT = 4
"""So many suspect blocks, clean ones between taken off again, make an electrode bad: a second. Clear faults take one."""
N_CLEAN = 6
"""So many clean blocks in a row, 1.5 s, make it good again."""
MOST_DOUBLINGS = 4
"""One that keeps coming and going stays away longer: twice as long each time, 24 s at most."""
FORGIVEN_S, LEAST_TIMES = 60.0, 0.01
VERY_STRONG = float(np.log(10.0))
"""Ten times as strong as the others are is clear within one block."""
RAIL_UV = 10_000.0
"""A flat electrode this far from the others' level is at a rail of its amplifier."""
LEAST_CLIPPED_UV = 200.0
"""Peak to peak: of a smaller range rounding to whole microvolts leaves so few steps that any two are alike."""
MOST_MARGIN_UV = 1.0
DRIFT_UV_PER_S = 5000.0
STEP_UV = 500.0
N_EXTREMES = 8
"""Blocks in which the rails are looked for, 2 s."""
N_SETTLED = 2
"""Blocks behind a start in which filters still swing."""
AGREEMENT_GAIN = 1.0 / 16.0
USUAL_UV = 10.0
"""Spread of EEG in a block, what is straight taken off: what the middle electrode of a stream without a unit is taken to have."""
SCALE_GAIN = 1.0 / 40.0
"""Over 10 s; until then all blocks count alike."""
MIN_AGREEMENT = 0.2
"""Over about 4 s of the decoder's band. What has nothing in common with 30 others reaches 0.15 by chance, a temporal
electrode over a tense muscle 0.25 to 0.4, others 0.6 and more."""
STRONG_LOG = float(np.log(5.0))
"""Where electrodes are much alike, one that is 5 z stronger may still be one over a muscle."""
LINE_GAIN = 1.0 / 4.0


class ElectrodeJudge:
    """Looks at one block of samples after the other.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
        Of the raw samples.
    has_unit : bool
        False where nobody knows what unit the stream has: then samples are scaled so that the middle electrode has the spread
        that EEG has, and electrodes are judged beside each other alone.

    Attributes
    ----------
    bad : ndarray of bool, shape (n_channels,)
        Electrodes that give no EEG, with hysteresis; not to be written to.
    n_block : int
        Raw samples in a block: 0.25 s, at least 8.

    Notes
    -----
    Deterministic in the samples. Costs 0.1 to 0.2 ms a block with 31 channels at 250 Hz, four times a second.
    Comparing electrodes with each other takes `N_COMPARE`; with fewer each is judged alone. Not thread-safe.
    """

    def __init__(self, n_channels: int, rate_hz: float, *, has_unit: bool = True) -> None:
        self.n_channels, self._has_unit = n_channels, has_unit
        self.n_block = max(8, round(BLOCK_S * rate_hz))
        self._rate_hz, self._block_s = rate_hz, self.n_block / rate_hz
        self._ramp = np.linspace(-1.0, 1.0, self.n_block)
        self.expect(None)
        self.reset()

    def expect(self, covariance: FloatArray | None) -> None:
        """What the decoder was fitted with is no fault for it.

        Parameters
        ----------
        covariance : ndarray of float64, shape (n_channels, n_channels), or None
            Second moments of the electrodes in the decoder's band, when that was fitted; None where they are not known.
        """
        self._usual = np.full(self.n_channels, np.nan)  # logarithm of each amplitude, beside the middle one
        self._least_agreement = np.full(self.n_channels, MIN_AGREEMENT)
        if covariance is not None:
            amplitude = np.sqrt(np.maximum(np.diag(covariance), NOTHING_UV**2))
            self._usual = np.log(amplitude) - np.median(np.log(amplitude))
            agreed = agreement(covariance / amplitude[:, None] / amplitude, np.ones(self.n_channels, bool))
            self._least_agreement = np.minimum(MIN_AGREEMENT, 0.5 * agreed)

    def reset(self) -> None:
        """Forget everything but what is expected."""
        n = self.n_channels
        self.bad: npt.NDArray[np.bool_] = np.zeros(n, bool)
        self._any_bad = False
        self._code = np.zeros(n, np.intp)  # why it is bad, or was suspect last
        self._suspicion = np.zeros(n, np.intp)
        self._n_clean = np.zeros(n, np.intp)
        self._times = np.zeros(n)  # how often it became bad, forgiven with time
        self._correlation, self._n_compared = np.zeros((n, n)), 0
        self._line = np.zeros(n)
        self.spread_uv = np.zeros(n)
        self._log_scale, self._n_scaled = 0.0, 0
        self.skip_gap()

    def skip_gap(self) -> None:
        """Begin anew behind a gap: what is known of the electrodes stays, what a block is compared with does not."""
        n = self.n_channels
        self._lows, self._highs = np.full((N_EXTREMES, n), np.inf), np.full((N_EXTREMES, n), -np.inf)
        self._n_low, self._n_high = np.zeros((N_EXTREMES, n)), np.zeros((N_EXTREMES, n))
        self._i_block = 0
        self._level_uv: FloatArray | None = None

    @property
    def any_bad(self) -> bool:
        """Whether any electrode is bad."""
        return self._any_bad

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each electrode is bad; empty for one that is not."""
        return tuple(REASONS[code] if bad else "" for code, bad in zip(self._code, self.bad, strict=True))

    @property
    def line_shares(self) -> FloatArray:
        """Share of the mains in each electrode's power over about a second, 0 to 1; a copy."""
        return self._line.copy()

    def condemn(self, which: npt.NDArray[np.bool_]) -> None:
        """Electrodes that gave a sample that is not finite are bad from that sample on."""
        self._condemn(which & ~self.bad)
        self._code[which] = NOT_FINITE
        self._n_clean[which] = 0

    def look(self, raw_uv: FloatArray, heard: FloatArray, holes: npt.NDArray[np.bool_]) -> bool:
        """Judge the next block.

        Parameters
        ----------
        raw_uv : ndarray of float64, shape (n_block, n_channels)
            As they come, in microvolts where the stream has a unit, finite.
        heard : ndarray of float64, shape (n_heard, n_channels)
            The same time as the decoder hears it: behind its filters.
        holes : ndarray of bool, shape (n_channels,)
            Electrodes with samples that were not finite, filled here with something.

        Returns
        -------
        bool
            Whether another set of electrodes is bad now.
        """
        code = np.zeros(self.n_channels, np.intp)
        clear = self._alone(raw_uv if self._has_unit else raw_uv * self._scale(raw_uv), code)
        if self.n_channels >= N_COMPARE and self._i_block >= N_SETTLED and len(heard) >= 8:
            clear |= self._compared(heard, code)
        code[holes], clear = NOT_FINITE, clear | holes
        self._i_block += 1
        return self._weigh(code, clear)

    def _scale(self, raw: FloatArray) -> float:
        """What makes microvolts of a stream without a unit, by this block and those before it."""
        _, _, left = self._straight(raw)
        middle = float(np.median(np.sqrt(np.mean(left**2, axis=0))))
        if middle > 0.0:
            self._n_scaled += 1
            gain = max(SCALE_GAIN, 1.0 / self._n_scaled)
            self._log_scale += gain * (np.log(USUAL_UV / middle) - self._log_scale)
        return float(np.exp(self._log_scale))

    def _straight(self, raw: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Level of each electrode in a block, how far it rises in half of it, and what a straight line leaves."""
        ramp = self._ramp
        level = raw.mean(axis=0)
        slope = ramp @ raw / (ramp @ ramp)
        return level, slope, raw - level - ramp[:, None] * slope

    # -- one electrode by itself ---------------------------------------------------------------------------

    def _alone(self, raw_uv: FloatArray, code: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """Write what is wrong with each into `code`; which of that is clear within one block."""
        n = len(raw_uv)
        level, slope, left = self._straight(raw_uv)
        square = np.einsum("ij,ij->j", left, left)
        self.spread_uv = spread = np.sqrt(square / n)
        code[spread > NOISY_UV] = STRONG
        if self._level_uv is not None:
            code[(np.abs(level - self._level_uv) > STEP_UV) & (spread > NOISY_UV)] = STEP
        self._level_uv = level
        code[np.abs(slope) > 0.5 * self._block_s * DRIFT_UV_PER_S] = DRIFT
        power = line_power(left, self._rate_hz).max(axis=0)
        self._line += LINE_GAIN * (power / np.maximum(square, np.finfo(float).tiny) - self._line)
        if (humming := power > MAX_LINE_SHARE * square).any():
            code[humming & self._is_loud(spread)] = LINE
        code[self._clipped(raw_uv)] = SATURATED
        flat = spread < FLAT_UV
        if flat.any():
            code[flat] = FLAT
            code[flat & (np.abs(level - np.median(level[~flat]) if not flat.all() else level) > RAIL_UV)] = (
                SATURATED
            )
        return np.asarray(flat)

    def _is_loud(self, spread: FloatArray) -> npt.NDArray[np.bool_]:
        """Mains that all electrodes have alike leave with the reference; one that has more of it does not lose it."""
        if self.n_channels < N_COMPARE:
            return np.ones(self.n_channels, bool)
        off, usual = log_levels_off(np.log(np.maximum(spread, FLAT_UV)), np.ones(self.n_channels, bool))
        return np.asarray(off > MAX_Z * usual)

    def _clipped(self, raw_uv: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether an electrode spends its time at the extremes of the last 2 s."""
        i = self._i_block % N_EXTREMES
        self._lows[i], self._highs[i] = low, high = raw_uv.min(axis=0), raw_uv.max(axis=0)
        lowest, highest = self._lows.min(axis=0), self._highs.max(axis=0)
        span = highest - lowest
        if not (span > LEAST_CLIPPED_UV).any():
            self._n_low[i] = self._n_high[i] = 0.0
            return np.zeros(self.n_channels, bool)
        margin = np.minimum(5e-5 * span, MOST_MARGIN_UV)
        self._n_low[i], self._n_high[i] = (raw_uv <= low + margin).sum(0), (raw_uv >= high - margin).sum(0)
        n_seen = self.n_block * min(self._i_block + 1, N_EXTREMES)
        # Only while it still goes there: behind it the rail is soon forgiven.
        n_low = (self._n_low * (self._lows <= lowest + margin)).sum(axis=0) * (low <= lowest + margin)
        n_high = (self._n_high * (self._highs >= highest - margin)).sum(axis=0) * (high >= highest - margin)
        share = np.maximum(n_low, n_high) / n_seen
        is_known = self._i_block + 1 >= N_EXTREMES // 2
        return np.asarray((share > CLIPPED_SHARE) & (span > LEAST_CLIPPED_UV) & is_known)

    # -- among the others ----------------------------------------------------------------------------------

    def _compared(self, heard: FloatArray, code: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        """As `_alone`, for what shows only beside others, and only where nothing else is wrong."""
        usual = ~self.bad
        if usual.sum() < N_COMPARE:
            return np.zeros(self.n_channels, bool)
        moment = heard.T @ heard / len(heard)
        power = np.maximum(np.diag(moment), NOTHING_UV**2)
        off, spread = log_levels_off(0.5 * np.log(power), usual)
        self._n_compared += 1
        gain = max(AGREEMENT_GAIN, 1.0 / self._n_compared)
        amplitude = np.sqrt(power)
        self._correlation += gain * (moment / amplitude[:, None] / amplitude - self._correlation)
        nothing = code == 0
        if self._n_compared * AGREEMENT_GAIN >= 1.0:
            code[nothing & (agreement(self._correlation, usual) < self._least_agreement)] = UNLIKE
        most = np.fmax(max(MAX_Z * spread, STRONG_LOG), self._usual + STRONG_LOG)
        least = np.fmin(-MAX_Z * spread, self._usual - STRONG_LOG)
        code[nothing & (off < least)] = WEAK
        strong = off > most
        code[nothing & strong] = STRONG
        return np.asarray(strong & (off > np.fmax(VERY_STRONG, self._usual + VERY_STRONG)))

    # -- hysteresis ----------------------------------------------------------------------------------------

    def _weigh(self, code: npt.NDArray[np.intp], clear: npt.NDArray[np.bool_]) -> bool:
        suspect = code > 0
        if not (self._any_bad or suspect.any() or self._suspicion.any() or self._times.any()):
            return False  # as nearly always
        self._times *= np.exp(-self._block_s / FORGIVEN_S)
        self._times[self._times < LEAST_TIMES] = 0.0
        self._suspicion += np.where(suspect, 1, -1)
        self._suspicion[clear] = N_SUSPECT
        np.clip(self._suspicion, 0, N_SUSPECT, out=self._suspicion)
        self._n_clean = np.where(suspect, 0, self._n_clean + 1)
        # The reason why it became bad stays until one shows that says more.
        told = suspect & (~self.bad | (code > self._code))
        self._code[told] = code[told]
        newly = ~self.bad & (self._suspicion >= N_SUSPECT)
        doublings = np.clip(np.rint(self._times) - 1.0, 0.0, MOST_DOUBLINGS)
        again = self.bad & (self._n_clean >= N_CLEAN * 2.0**doublings)
        if again.any():
            self.bad = self.bad & ~again
            self._any_bad = bool(self.bad.any())
            self._suspicion[again] = 0
        self._condemn(newly)
        return bool(newly.any() or again.any())

    def _condemn(self, newly: npt.NDArray[np.bool_]) -> None:
        if newly.any():
            self.bad = self.bad | newly
            self._any_bad = True
            self._suspicion[newly] = N_SUSPECT
            self._times[newly] += 1.0
            self._n_clean[newly] = 0
