"""Caps by name, and the choice of electrodes that a decoder is given of a larger recording."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from rtbci.errors import ChannelError, ConfigError
from rtbci.stream.labels import canonical_label
from rtbci.stream.layout import electrode_columns, electrodes_of
from rtbci.stream.source import StreamInfo

__all__ = ["CAPS", "Cap", "read_cap"]

# fmt: off
CAPS = {
    "10-20": ("FP1", "FP2", "F7", "F3", "FZ", "F4", "F8", "T7", "C3", "CZ", "C4", "T8", "P7", "P3", "PZ", "P4", "P8", "O1",
              "O2"),
    "motor-8": ("C3", "C4", "CZ", "FC3", "FC4", "CP3", "CP4", "PZ"),
    "motor-3": ("C3", "CZ", "C4"),
}
# fmt: on
"""Electrodes by the cap's name, canonical. 10-20: the 19 on the scalp of the classical system (Jasper 1958, A1 and
A2 are its other two), T3 T4 T5 T6 as T7 T8 P7 P8. motor-8: both hands' areas from front to back, and the midline.
motor-3: the least for two hands."""


@dataclass(frozen=True, slots=True)
class Cap:
    """Electrodes that are chosen.

    Parameters
    ----------
    labels : tuple of str
        Canonical.
    name : str
        Of a cap in `CAPS`; empty for electrodes named one by one.
    """

    labels: tuple[str, ...]
    name: str = ""

    def given(self, infos: Sequence[StreamInfo]) -> tuple[str, ...]:
        """Those of the electrodes that every one of some recordings has.

        Parameters
        ----------
        infos : sequence of StreamInfo
            One or more.

        Raises
        ------
        ChannelError
            When electrodes that were named one by one are missing, or nothing of a cap is there; or for what
            `electrode_columns` says of the labels.
        """
        here = [electrode_columns(info, self.labels) for info in infos]
        if not self.name:
            for info, columns in zip(infos, here, strict=True):
                self._refuse_lacking(info, [label for label in self.labels if label not in columns])
        found = tuple(label for label in self.labels if all(label in columns for columns in here))
        if not found:
            self._refuse_lacking(infos[0], self.labels)
        return found

    def _refuse_lacking(self, info: StreamInfo, lacking: Sequence[str]) -> None:
        if lacking:
            raise ChannelError(
                f"--channels: '{info.name}' lacks {', '.join(lacking)}, it has {', '.join(electrodes_of(info))}; "
                f"choose among these, or a cap ({', '.join(CAPS)}), of which a recording may lack some"
            )


def read_cap(text: str) -> Cap | None:
    """Understand a choice of electrodes: labels with commas between, or the name of a cap.

    Returns
    -------
    Cap or None
        None for an empty text: all electrodes.

    Raises
    ------
    ConfigError
        When there is no label in it, or a cap's name is misspelt.

    Examples
    --------
    >>> read_cap("c3, Cz,T3").labels, read_cap("Motor-3").labels
    (('C3', 'CZ', 'T7'), ('C3', 'CZ', 'C4'))
    """
    asked = text.strip().lower()
    if not asked:
        return None
    if asked in CAPS:
        return Cap(CAPS[asked], asked)
    labels = tuple(dict.fromkeys(canonical_label(part) for part in text.split(",") if part.strip()))
    near = difflib.get_close_matches(asked, CAPS, n=1)
    if not labels or near:
        raise ConfigError(
            f"--channels: got '{text}', need electrodes with commas between, as C3,CZ,C4, or a cap "
            f"({', '.join(CAPS)})" + (f"; did you mean {near[0]}?" if near else "; name some")
        )
    return Cap(labels)
