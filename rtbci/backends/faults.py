"""What is told of an error that a back end's library raised: of any kind, for libraries have their own."""

from rtbci.errors import RtbciError

__all__ = ["words_of"]


def words_of(error: Exception) -> str:
    """What an error says, for a message or an event; of one that is not ours its kind too.

    Examples
    --------
    >>> from rtbci.errors import EngineError
    >>> words_of(EngineError("engine 'nano': is closed; open it again"))
    "engine 'nano': is closed; open it again"
    >>> words_of(KeyError("x"))
    "KeyError: 'x'"
    """
    return str(error) if isinstance(error, RtbciError) else f"{type(error).__name__}: {error}"
