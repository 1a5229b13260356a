"""What an error says, as part of a message of ours."""

from rtbci.errors import RtbciError

__all__ = ["first_line", "words_of"]


def words_of(error: Exception) -> str:
    """Our own errors speak for themselves; of others their class is said too."""
    return str(error) if isinstance(error, RtbciError) else f"{type(error).__name__}: {error}"


def first_line(error: BaseException) -> str:
    """First line of a library's message, or its class where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
