"""The optional packages that the page is served with."""

from importlib import import_module

from rtbci.errors import MissingPackageError

__all__ = ["need_page"]

PACKAGES = ("starlette", "uvicorn", "websockets")


def need_page() -> None:
    """Fail early where a package is missing.

    Raises
    ------
    MissingPackageError
        Names it.
    """
    for name in PACKAGES:
        try:
            import_module(name)
        except ImportError as error:
            raise MissingPackageError(
                f"cue page: {name} is not installed, need it to serve the page; pip install 'rtbci[calibrate]', "
                "or show the cues in the terminal"
            ) from error
