"""Cues as an LSL stream of markers, so that a recorder keeps them beside the EEG."""

import math
from collections.abc import Sequence
from typing import Self

import pylsl

from rtbci.calibrate.presenter import Presenter, PresenterAround, Step
from rtbci.calibrate.schedule import ScheduledTrial
from rtbci.errors import StreamError

__all__ = ["CueMarkers", "MarkedPresenter"]


class CueMarkers:
    """An LSL outlet of string markers; on the network from construction to `close`.

    Parameters
    ----------
    name : str
        Name of the stream.
    source_id : str
        What a recorder finds it again by.

    Raises
    ------
    StreamError
        When liblsl refuses it.

    Notes
    -----
    One thread at a time.
    """

    def __init__(self, name: str = "rtbci-cues", source_id: str = "rtbci-cues") -> None:
        try:
            info = pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)
            self._outlet: pylsl.StreamOutlet | None = pylsl.StreamOutlet(info)
        except (RuntimeError, ValueError) as error:
            raise StreamError(
                f"CueMarkers {name!r}: liblsl refuses the stream ({error}); check the name and the network"
            ) from error

    @property
    def has_consumers(self) -> bool:
        """Whether somebody receives the markers."""
        return self._outlet is not None and bool(self._outlet.have_consumers())

    def push(self, text: str, t_lsl: float) -> None:
        """Send a marker with its stamp, in seconds of the local LSL clock; nothing once closed."""
        if self._outlet is not None:
            # liblsl takes a stamp of 0 for "now"
            self._outlet.push_sample([text], t_lsl if t_lsl != 0.0 else math.ulp(0.0))

    def close(self) -> None:
        """Take the stream off the network; may be called more than once."""
        self._outlet = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class MarkedPresenter(PresenterAround):
    """A presenter whose steps are sent as markers too; a `Presenter`.

    The text is the step's name ("cross", "imagery", "pause", "break", "done"), and for the arrow the class's. The stamp is
    the onset. Steps that were not seen are not sent; a trial that was not seen to its end is followed by "unseen".

    Parameters
    ----------
    presenter : Presenter
        What shows the steps.
    markers : CueMarkers
        Not closed here.
    classes : sequence of str
        Texts of the arrows.
    """

    def __init__(self, presenter: Presenter, markers: CueMarkers, classes: Sequence[str]) -> None:
        super().__init__(presenter)
        self._markers, self._classes = markers, tuple(classes)
        self._t_last = 0.0
        self._in_trial = False

    def present(self, step: Step, trial: ScheduledTrial | None) -> float:
        """Show a step and send its marker; see `Presenter.present`."""
        t_lsl = self._presenter.present(step, trial)
        if not math.isnan(t_lsl):
            text = self._classes[trial.i_class] if step == "arrow" and trial is not None else step
            self._markers.push(text, t_lsl)
            self._t_last = t_lsl
        elif self._in_trial:
            self._markers.push("unseen", self._t_last)
        self._in_trial = step in ("cross", "arrow", "imagery") and not math.isnan(t_lsl)
        return t_lsl
