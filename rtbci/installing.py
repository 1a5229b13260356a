"""The line that brings an optional package to this very installation.

rtbci is on no package index: there ``rtbci[extra]`` is unknown, or would be somebody else's package. What works depends on where this
installation came from, which installers write down as PEP 610 says (``direct_url.json``): the checkout again, the wheel file, the address; where
nobody wrote it, or what it names is gone, the extra's own packages, which are on the index. Every message takes its line from here.
"""

import json
import shutil
import sys
import sysconfig
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rtbci.system.quoting import quoted

__all__ = ["pip_extra", "pip_install"]

NAME = "rtbci"
CHECKOUT = Path(__file__).resolve().parents[1]


def pip_extra(*extras: str) -> str:
    """The command line that installs extras of rtbci.

    Parameters
    ----------
    *extras : str
        Names of pyproject.toml, as ``"calibrate"``.

    Returns
    -------
    str
        To be pasted into a shell, from any folder.
    """
    try:
        installed = distribution(NAME)
    except PackageNotFoundError:  # run from a checkout that was never installed
        return pip_install(f"{CHECKOUT}[{','.join(extras)}]")
    url, is_editable = _came_from(installed)
    asked = f"[{','.join(extras)}]"
    if not url.startswith("file:"):
        return (
            pip_install(f"{NAME}{asked} @ {url}") if url else pip_install(*_packages(installed, set(extras)))
        )
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        return pip_install(*_packages(installed, set(extras)))
    return pip_install(*(["-e"] if is_editable else []), f"{path}{asked}")


def pip_install(*arguments: str) -> str:
    """The command line that installs what is on the package index, by the pip of the interpreter that runs.

    Parameters
    ----------
    *arguments : str
        Of ``pip install``: requirements and options, not quoted.

    Returns
    -------
    str
        To be pasted into a shell.
    """
    return " ".join((_installer(), *map(quoted, arguments)))


def _installer() -> str:
    """``pip install`` where the shell finds this interpreter's own under that name, else what installs for this interpreter."""
    if find_spec("pip") is None:  # environments of uv have none
        return f"uv pip install --python {quoted(sys.executable)}"
    found = shutil.which("pip")
    if found and Path(found).parent == Path(sysconfig.get_path("scripts")):
        return "pip install"
    return f"{quoted(sys.executable)} -m pip install"


def _came_from(installed: Distribution) -> tuple[str, bool]:
    """Where an installation came from, as an address that pip takes, and whether it is editable; empty where nobody wrote it."""
    try:
        said = json.loads(installed.read_text("direct_url.json") or "{}")
        url = str(said.get("url", ""))
        if "vcs_info" in said:
            vcs = said["vcs_info"]
            url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
        if said.get("subdirectory"):
            url += f"#subdirectory={said['subdirectory']}"
        return url, bool(said.get("dir_info", {}).get("editable"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", False


def _packages(installed: Distribution, extras: set[str]) -> list[str]:
    """What extras of an installation require, without those that it has without any."""
    from packaging.requirements import Requirement

    found: dict[str, None] = {}
    for line in installed.requires or ():
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            continue
        if not any(one.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        if one.name == NAME:
            found |= dict.fromkeys(_packages(installed, set(one.extras)))
        else:
            one.marker = None
            found[str(one)] = None
    return list(found)
