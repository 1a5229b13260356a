"""In which state the stream is: the state machine behind `status.state`, without clock or thread."""

from rtbci.errors import ConfigError
from rtbci.publish.messages import State, Why

__all__ = ["StreamWatch"]


class StreamWatch:
    """Follows the stream from waiting to running, and through loss to recovery.

    ``waiting -> warming_up -> running``; without data for `stale_s` the state is ``stale``, for `lost_s`
    ``lost``; what comes after a gap or a loss is ``recovering`` until a window is full again.

    Parameters
    ----------
    stale_s, lost_s : float
        Seconds without data; `lost_s` above `stale_s` above 0.

    Attributes
    ----------
    state : str
        One of `rtbci.publish.messages.State`.
    t_received : float
        When samples came last, in seconds.

    Raises
    ------
    ConfigError
        When the times are not ordered.
    """

    def __init__(self, stale_s: float, lost_s: float) -> None:
        if not 0 < stale_s < lost_s:
            raise ConfigError(
                f"StreamWatch: stale_s is {stale_s:g} and lost_s {lost_s:g}, need 0 < stale_s < lost_s"
            )
        self.stale_s, self.lost_s = stale_s, lost_s
        self.state: State = "waiting"
        self._filling: State = "warming_up"  # what a window that is not full means now
        self._is_full = False
        self.t_received = 0.0

    @property
    def why(self) -> Why:
        """Why there is no prediction from a full window in this state."""
        if self.state in ("stale", "lost"):
            return "stream_lost"
        return "gap" if self._filling == "recovering" else "warming_up"

    def opened(self, t_now: float) -> None:
        """The stream was found, or found again."""
        self.t_received = t_now
        self._restart("warming_up" if self.state == "waiting" else "recovering")

    def received(self, t_now: float) -> None:
        """Samples came."""
        self.t_received = t_now
        if self.state in ("stale", "lost"):
            self.state = "running" if self._is_full else self._filling

    def heard(self, t_received: float | None) -> None:
        """Samples came at that time which are still to be decoded; None: none ever did."""
        if t_received is not None:
            self.t_received = max(self.t_received, t_received)

    def restarted(self) -> None:
        """Decoding started anew after a gap."""
        self._restart("recovering")

    def full(self) -> None:
        """A full window was decoded."""
        self._is_full = True
        if self.state in ("warming_up", "recovering"):
            self.state = "running"

    def passed(self, t_now: float) -> None:
        """Time went by without samples."""
        if self.state == "waiting":
            return
        silent_s = t_now - self.t_received
        if silent_s > self.lost_s:
            self.state = "lost"
            self._is_full = False
            self._filling = "recovering"
        elif silent_s > self.stale_s and self.state != "lost":
            self.state = "stale"

    def _restart(self, filling: State) -> None:
        self.state = self._filling = filling
        self._is_full = False
