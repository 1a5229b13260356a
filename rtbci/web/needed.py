"""The optional packages that pages are served with."""

from importlib import import_module
from importlib.util import find_spec

from rtbci.errors import MissingPackageError
from rtbci.installing import pip_extra

__all__ = ["need_page"]

PACKAGES = ("starlette", "uvicorn", "websockets")


def need_page(what: str, extra: str, instead: str, *, imports: bool = True) -> None:
    """Fail early where a package is missing.

    Parameters
    ----------
    what, extra, instead : str
        Which page, which extra of rtbci brings the packages, and what to do without them, for the message.
    imports : bool
        False: only look whether they are installed, for a process that starts another one which imports them.

    Raises
    ------
    MissingPackageError
        Names it.
    """
    for name in PACKAGES:
        try:
            if not imports and find_spec(name) is None:
                raise ImportError(name)
            if imports:
                import_module(name)
        except ImportError as error:
            raise MissingPackageError(
                f"{what}: {name} is not installed, need it to serve the page; {pip_extra(extra)}, or {instead}"
            ) from error
