"""Windows that an engine is tried on before it is used: signals like EEG, and what goes wrong with EEG."""

import numpy as np
import numpy.typing as npt

from rtbci.recipes import EngineRecipe
from rtbci.stages.stage import Float32Array
from rtbci.stream.noise import BandNoise, PinkNoise
from rtbci.stream.source import FloatArray

__all__ = ["N_OF_EACH", "gate_windows"]

N_OF_EACH = 16
SEED = 20261
SPREAD = {"uV": 15.0, "mV": 0.015, "whitened": 1.0}
"""Standard deviation of EEG in each unit."""
RAIL = 50.0
"""Saturated inputs stand at so many standard deviations; behind a band-pass they are rarely above 20."""
BURSTS_HZ = ((8.0, 13.0), (15.0, 25.0))


def gate_windows(recipe: EngineRecipe, input_shape: tuple[int, ...]) -> dict[str, Float32Array]:
    """Make the windows that engines are compared on, the same each time.

    Parameters
    ----------
    recipe : EngineRecipe
        Its unit and rate.
    input_shape : tuple of int
        Of the engine's session: (1, n_channels, n_samples).

    Returns
    -------
    dict of str to ndarray of float32, shape (N_OF_EACH, n_channels, n_samples)
        ``noise``: 1/f noise, part of it common to all channels. ``bursts``: the same with rhythms ten times as
        strong in some channels. ``silence``: zeros, and noise of a millionth of the usual spread. ``saturated``:
        channels that stand at either end of the range and jump.
    """
    _, n_channels, n_samples = input_shape
    rng = np.random.default_rng(SEED)
    rate_hz, spread = recipe.input.rate_hz, SPREAD[recipe.input.unit]
    shape = (N_OF_EACH, n_samples, n_channels)
    pink = PinkNoise(n_channels + 1, rate_hz, rng).generate(N_OF_EACH * n_samples)
    noise = ((pink[:, 1:] + 0.5 * pink[:, :1]) / np.sqrt(1.25)).reshape(shape)
    bursts = noise + 10.0 * _rhythm(shape, rate_hz, rng) * _some(shape, rng)
    silence = 1e-6 * noise
    silence[: N_OF_EACH // 2] = 0.0
    ends = np.sign(rng.standard_normal(shape).cumsum(axis=1) + 1e-9)
    saturated = np.where(_some(shape, rng), RAIL * ends, noise)
    made = {"noise": noise, "bursts": bursts, "silence": silence, "saturated": saturated}
    return {
        name: np.ascontiguousarray((spread * x).transpose(0, 2, 1), np.float32) for name, x in made.items()
    }


def _rhythm(shape: tuple[int, int, int], rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """Alpha and beta of unit variance in turn from window to window, as far as the rate can carry them."""
    rhythm = np.zeros(shape)
    for i, (low_hz, high_hz) in enumerate(BURSTS_HZ):
        part = rhythm[i :: len(BURSTS_HZ)]
        if high_hz < rate_hz / 2:
            band = BandNoise(shape[2], low_hz, high_hz, rate_hz, rng)
            part[:] = band.generate(part.shape[0] * shape[1]).reshape(part.shape)
    return rhythm


def _some(shape: tuple[int, int, int], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """True for about a third of each window's channels, shape (n_windows, 1, n_channels)."""
    return rng.random((shape[0], 1, shape[2])) < 1 / 3
