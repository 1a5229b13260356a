"""A report as one HTML page that needs nothing else: no scripts, nothing from the network."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from rtbci.errors import FileFormatError, MissingPackageError
from rtbci.files import write_whole
from rtbci.installing import pip_extra

__all__ = ["as_markup", "need_packages", "write_page"]


def need_packages(extra: str) -> None:
    """Fail early where a report cannot be made.

    Parameters
    ----------
    extra : str
        Of rtbci, which brings the packages.

    Raises
    ------
    MissingPackageError
        When Jinja2 or matplotlib is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            f"report: {error.name} is not installed, need it for the page; {pip_extra(extra)}"
        ) from error


def as_markup(svg: str) -> Any:
    """A drawing, whose text is escaped already, as it is put into a page."""
    from markupsafe import Markup

    return Markup(svg)


def write_page(path: Path, package: str, template: str, words: dict[str, Any]) -> Path:
    """Fill a template and write the page, whole or not at all.

    Parameters
    ----------
    path : Path
        The HTML file; replaced when it is there.
    package, template : str
        Where the template is: ``templates/`` of a package.
    words : dict
        What it names; everything but markup is escaped. `style` is added.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    FileFormatError
        When it cannot be written there.
    """
    import jinja2

    source = (files(package) / "templates" / template).read_text(encoding="utf-8")
    style = (files("rtbci.report") / "templates" / "style.css").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page = environment.from_string(source).render(style=as_markup(style), **words)
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise FileFormatError(
            f"report {path}: cannot be written ({error.strerror}), need a folder that is there and may be written to; name "
            "another place for it"
        ) from error
    return path
