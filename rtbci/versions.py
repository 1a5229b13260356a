"""Which packages a result was made with."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

__all__ = ["versions_of"]


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions by name, of those distributions that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
