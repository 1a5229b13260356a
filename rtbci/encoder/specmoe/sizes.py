"""Sizes of SpecHi-Net, and what the description fixes for all of them."""

from dataclasses import dataclass

from rtbci.errors import EngineError

__all__ = ["N_DOWN", "PSD_HOP", "PSD_SEGMENT", "RATE_HZ", "SIZES", "SpecSize", "find_spec_size"]

RATE_HZ = 200.0
"""Sampling rate that the network is defined at."""

N_DOWN = 3
"""Stages down, each halving the number of samples, and as many up."""

PSD_SEGMENT, PSD_HOP = 400, 200
"""Samples of a segment of the gate's Welch spectrum, 2 s, and of its step: 50 % overlap."""


@dataclass(frozen=True, slots=True)
class SpecSize:
    """Dimensions of one expert.

    Parameters
    ----------
    name : str
        What recipes and checkpoints call it.
    widths : (int, int, int)
        Channels after each stage down; the last is the bottom's, and the width of what the gate weighs.
    n_heads : int
        Of all transformer layers. It changes no tensor's shape, so checkpoints carry it as metadata.
    depths : (int, int, int)
        Transformer layers behind stage two, at the bottom, and behind the first stage up.
    """

    name: str
    widths: tuple[int, int, int]
    n_heads: int
    depths: tuple[int, int, int]

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises
        ------
        EngineError
            When a number is below 1, or a head would have an odd width, which RoPE cannot turn.
        """
        if len(self.widths) != N_DOWN or len(self.depths) != 3 or min(*self.widths, self.n_heads) < 1:
            raise EngineError(f"SpecSize: got {self}, need three widths and depths, and heads of at least 1")
        if min(self.depths) < 0 or any(width % (2 * self.n_heads) for width in self.widths[1:]):
            raise EngineError(
                f"SpecSize: got widths {self.widths[1:]}, {self.n_heads} heads and depths {self.depths}, need widths that "
                "twice the number of heads divides, and depths of 0 or more"
            )


SIZES: dict[str, SpecSize] = {
    size.name: size
    for size in (
        SpecSize("published", (64, 64, 128), 8, (2, 4, 2)),
        SpecSize("half", (32, 32, 64), 8, (1, 2, 1)),
        SpecSize("mini", (16, 16, 32), 4, (0, 2, 0)),
    )
}
"""``published`` has the described widths and heads, and depths that come to the described number of parameters."""


def find_spec_size(name: str) -> SpecSize:
    """Size by name.

    Raises
    ------
    EngineError
        When there is no such size.
    """
    try:
        return SIZES[name]
    except KeyError:
        raise EngineError(f"find_spec_size: got size {name!r}, need one of {', '.join(SIZES)}") from None
