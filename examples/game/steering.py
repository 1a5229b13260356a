"""From what a decoder says to wind: probabilities and decisions, and in plain words why there is none."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rtbci.errors import ConfigError
from rtbci.publish.messages import Hello, Prediction

__all__ = ["CALM", "Hands", "Wind", "find_hands", "wind_of"]

NO_LEAN = 0.1
"""Difference of both probabilities below which there is no wind: 55 against 45 %."""

Air = Literal["wind", "breeze", "calm", "trouble"]

_WHY = {
    "idle": ("calm", "The decoder sees rest"),
    "below_threshold": ("calm", "Not sure which hand"),
    "warming_up": ("trouble", "The first window is filling"),
    "gap": ("trouble", "Samples are missing; a whole window is needed again"),
    "poor_signal": ("trouble", "Poor signal"),
    "stream_lost": ("trouble", "The EEG stream is lost"),
}
MAX_CHANNELS_NAMED = 4


class Hands(NamedTuple):
    """Names of the two classes that steer."""

    left: str
    right: str


class Wind(NamedTuple):
    """What one prediction does.

    Parameters
    ----------
    thrust : float
        -1 (to the left) to 1; 0 when the decoder abstains: the boat glides.
    gust : int
        -1 or 1 with a decision, else 0.
    p_left, p_right : float or None
        Calibrated probabilities; None when the window could not be decoded.
    air : str
        ``wind``, ``breeze`` (leans, but is not sure), ``calm`` (abstains) or ``trouble`` (cannot decode).
    words : str
        For people.
    """

    thrust: float
    gust: int
    p_left: float | None
    p_right: float | None
    air: Air
    words: str


CALM = Wind(0.0, 0, None, None, "calm", "")


def find_hands(hello: Hello, left: str = "", right: str = "") -> Hands:
    """Which classes of a decoder steer.

    Parameters
    ----------
    hello : Hello
        What the decoder says of itself.
    left, right : str
        Names of the classes; where empty, the one that has this word in its name.

    Raises
    ------
    ConfigError
        When there is no such class, or both are the same.
    """
    found = [_find(hello.classes, given, word) for given, word in ((left, "left"), (right, "right"))]
    if None in found or found[0] == found[1]:
        raise ConfigError(
            f"game: the decoder {hello.paradigm!r} has the classes {', '.join(hello.classes)}, need one for each "
            f"side; say which with --left CLASS --right CLASS"
        )
    return Hands(str(found[0]), str(found[1]))


def _find(classes: Sequence[str], given: str, word: str) -> str | None:
    if given:
        return given if given in classes else None
    named = [name for name in classes if word in name.lower()]
    return named[0] if len(named) == 1 else None


def wind_of(prediction: Prediction, hands: Hands, threshold: float) -> Wind:
    """Wind from a prediction.

    Probabilities blow all the time, the harder the surer, up to full wind at the threshold of the decision; so a
    decoder that is right in seven of ten windows steers, because the boat adds them up. A decision is a gust on top.

    Parameters
    ----------
    prediction : Prediction
    hands : Hands
    threshold : float
        Of the decoder's decision, from its `Hello`.

    Examples
    --------
    0.85 against 0.15 is beyond a threshold of 0.7: full wind to the right.
    """
    if prediction.probs is None or prediction.why in ("poor_signal", "stream_lost", "gap", "warming_up"):
        return _becalmed(prediction, hands)
    p_left, p_right = _probs(prediction, hands)
    lean = p_right - p_left
    full = max(2 * threshold - 1, 2 * NO_LEAN)
    strength = min(1.0, max(0.0, (abs(lean) - NO_LEAN) / (full - NO_LEAN)))
    if prediction.why == "idle" or not strength:
        return _becalmed(prediction, hands)
    sign = 1 if lean > 0 else -1
    gust = {hands.left: -1, hands.right: 1}.get(prediction.decision or "", 0)
    side = hands.right if sign > 0 else hands.left
    name = side.replace("_", " ")
    if strength == 1.0 or gust:
        return Wind(sign * strength, gust, p_left, p_right, "wind", f"Wind: {name}")
    return Wind(sign * strength, 0, p_left, p_right, "breeze", f"A breeze: {name}, not sure yet")


def _becalmed(prediction: Prediction, hands: Hands) -> Wind:
    p_left, p_right = (None, None) if prediction.probs is None else _probs(prediction, hands)
    why = prediction.why or "below_threshold"
    air, words = _WHY[why]
    bad = prediction.quality.bad_channels
    if why == "poor_signal" and bad:
        more = " ..." if len(bad) > MAX_CHANNELS_NAMED else ""
        words += f" at {', '.join(bad[:MAX_CHANNELS_NAMED])}{more}"
    is_trouble = air == "trouble"
    return Wind(0.0, 0, p_left, p_right, "trouble" if is_trouble else "calm", f"{words}: the boat glides")


def _probs(prediction: Prediction, hands: Hands) -> tuple[float, float]:
    by_class = dict(zip(prediction.classes, prediction.probs or (), strict=True))
    return by_class[hands.left], by_class[hands.right]
