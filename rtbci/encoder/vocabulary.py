"""The 62 electrode names that the encoder has a learned embedding for."""

from collections.abc import Sequence

from rtbci.errors import ChannelError

__all__ = ["ALIASES", "CHANNELS", "channel_index", "channel_indices"]

CHANNELS: tuple[str, ...] = tuple(
    """
    FP1 FPZ FP2 AF7 AF3 AF4 AF8 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8
    T7 C5 C3 C1 CZ C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8
    P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 O1 OZ O2
    """.split()  # noqa: SIM905 (four lines instead of 62)
)
"""Names in the order of the embedding's rows (EEGPT, NeurIPS 2024; DARE-EEG, arXiv 2605.18298)."""

ALIASES: dict[str, str] = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
"""Names of the 10-20 system that the 10-10 system replaced."""

_INDEX = {name: i for i, name in enumerate(CHANNELS)}


def channel_index(label: str) -> int:
    """Row of the channel embedding that belongs to an electrode.

    Parameters
    ----------
    label : str
        Electrode name; case, blanks and dots around it do not matter, ``T3 T4 T5 T6`` are known.

    Returns
    -------
    int
        From 0 to 61.

    Raises
    ------
    ChannelError
        When the encoder has no embedding for this electrode.

    Examples
    --------
    >>> channel_index("FP1"), channel_index("Fc5."), channel_index("T3") == channel_index("T7")
    (0, 17, True)
    """
    name = label.strip(" .").upper()
    try:
        return _INDEX[ALIASES.get(name, name)]
    except KeyError:
        raise ChannelError(
            f"channel_index: got electrode {label!r}, need one of the {len(CHANNELS)} names of the encoder; "
            f"leave it out or interpolate onto one of {' '.join(CHANNELS)}"
        ) from None


def channel_indices(labels: Sequence[str]) -> list[int]:
    """`channel_index` of every label, refusing electrodes that come twice.

    Raises
    ------
    ChannelError
        When a label is unknown, or two labels name the same electrode.
    """
    indices = [channel_index(label) for label in labels]
    twice = [label for i, label in enumerate(labels) if indices.index(indices[i]) != i]
    if twice:
        raise ChannelError(
            f"channel_indices: got {', '.join(twice)} a second time (as named or as an alias), "
            "need each electrode once; drop the repeated channel"
        )
    return indices
