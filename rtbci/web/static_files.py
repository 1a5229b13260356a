"""The files of a page, and those that all pages share."""

from importlib.resources import files

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

__all__ = ["static_mounts"]


def static_mounts(package: str, prefix: str = "") -> list[Mount]:
    """Routes to the folder ``static`` of a package, and below ``shared/`` to that of `rtbci.web`; they come last.

    Parameters
    ----------
    package : str
    prefix : str
        First part of every path, with its slash.
    """
    shared = StaticFiles(directory=str(files("rtbci.web") / "static"))
    own = StaticFiles(directory=str(files(package) / "static"), html=True)
    return [Mount(f"{prefix}/shared", shared), Mount(prefix or "/", own)]
