"""Every error that rtbci raises on purpose.

One form for all messages: ``where: what was given, what is needed; what to do``.
Each class also subclasses the builtin that it resembles, so that callers who know only Python
can catch it.
"""

__all__ = [
    "CalibrationError",
    "ChannelError",
    "ConfigError",
    "EngineError",
    "FileFormatError",
    "LimitError",
    "MessageError",
    "MissingPackageError",
    "PortInUseError",
    "ProfileError",
    "RateError",
    "RateLimitError",
    "RecordingError",
    "RtbciError",
    "ShapeError",
    "SignalError",
    "StreamError",
    "StreamLostError",
    "StreamNotFoundError",
    "UnitError",
]


class RtbciError(Exception):
    """Root of all errors of this package; `exit_code` is what the command line returns."""

    exit_code = 1


class LimitError(RtbciError, OSError):
    """The system gives this program too few files, sockets or threads."""


class ConfigError(RtbciError, ValueError):
    """A configuration or recipe has missing, unknown or impossible settings."""

    exit_code = 2


class StreamError(RtbciError, RuntimeError):
    """A stream cannot be used."""

    exit_code = 3


class StreamNotFoundError(StreamError, LookupError):
    """No stream, or more than one, answers the description."""


class StreamLostError(StreamError, ConnectionError):
    """A stream that was there has gone."""


class ChannelError(RtbciError, ValueError):
    """Channel labels do not cover what a decoder needs.

    Parameters
    ----------
    message : str
    lack : str
        What a stream lacks, in a few words, for a list of what fits it: ``"lacks C3, C4"``. Empty where nobody says.
    """

    exit_code = 4

    def __init__(self, message: str, lack: str = "") -> None:
        super().__init__(message)
        self.lack = lack


class RateError(RtbciError, ValueError):
    """A sampling rate is not what is needed."""

    exit_code = 4


class UnitError(RtbciError, ValueError):
    """A unit is unknown, or the signal's spread is absurd for it."""

    exit_code = 4


class SignalError(RtbciError, ValueError):
    """The samples themselves cannot be used (not finite, flat everywhere)."""

    exit_code = 4


class FileFormatError(RtbciError, ValueError):
    """A file is missing, truncated, or not what its name says."""

    exit_code = 5


class RecordingError(RtbciError, OSError):
    """Not all of a run was recorded."""

    exit_code = 5


class ProfileError(RtbciError, ValueError):
    """A profile is corrupt or does not fit the paradigm, montage or engine."""

    exit_code = 6


class EngineError(RtbciError, RuntimeError):
    """An engine cannot be loaded, or refuses its input."""

    exit_code = 6


class PortInUseError(RtbciError, OSError):
    """An address to publish on is taken."""

    exit_code = 7


class MissingPackageError(RtbciError, ImportError):
    """An optional package is needed and not installed."""

    exit_code = 8


class CalibrationError(RtbciError, RuntimeError):
    """A calibration led to nothing that could be used."""

    exit_code = 9


class ShapeError(RtbciError, ValueError):
    """An array has another shape than the one that was agreed."""


class MessageError(RtbciError, ValueError):
    """Bytes from the network are not a message of the schema."""


class RateLimitError(RtbciError, RuntimeError):
    """A client asks for more, or more often, than it may."""
