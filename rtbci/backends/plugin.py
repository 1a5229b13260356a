"""Encoders that somebody else wrote: Python classes, found by name through an entry point.

A plug-in is code that the user has installed. What runs is told by name, package and version, an error of it by
its name; what it computes must depend on its input alone, so that a session can be decoded again (docs/own.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rtbci.errors import ConfigError, EngineError, MissingPackageError
from rtbci.installing import pip_extra
from rtbci.stages.stage import Float32Array

__all__ = ["GROUP", "Encoder", "EncoderContract", "Plugin", "find_plugin", "list_plugins", "load_class"]

GROUP = "rtbci.encoders"
BUILT_IN = {"braindecode": ("rtbci.braindecode.served:BraindecodeEncoder", "braindecode")}
"""Plug-ins that come with rtbci: where, and the package whose version says what they compute."""


@dataclass(frozen=True)
class EncoderContract:
    """What an engine's recipe promises, handed to a plug-in's class when it is made.

    Parameters
    ----------
    name : str
        Of the recipe.
    kind : str
        ``"patch"``: `Encoder.run` gets one short piece of the signal at a time, its features are kept and a window is read
        from them; ``"window"``: it gets the whole window at every hop.
    channels : tuple of str
        Electrodes of the input, in order; empty where the recipe only says how many.
    n_channels, n_samples : int
        Of one input.
    rate_hz : float
    unit : str
        ``"uV"``, ``"mV"`` or ``"whitened"``.
    meaning : str
        Of the output: ``"features"``, ``"logits"`` or ``"probs"``.
    output_shape : tuple of int
        Of one output, without the batch axis.
    settings : mapping
        The recipe's ``[settings]``.
    folder : Path
        Of the recipe.
    weights : Path or None
        The file that the recipe names; its sha256 has been checked where the recipe states one.
    n_threads : int
        Threads that one call may use.
    """

    name: str
    kind: str
    channels: tuple[str, ...]
    n_channels: int
    n_samples: int
    rate_hz: float
    unit: str
    meaning: str
    output_shape: tuple[int, ...]
    settings: Mapping[str, Any]
    folder: Path
    weights: Path | None
    n_threads: int = 1


class Encoder(Protocol):
    """A plug-in's class: made once with the contract, then called for each patch or window.

    Parameters
    ----------
    contract : EncoderContract
        Refuse what cannot be met, by any exception.
    """

    def __init__(self, contract: EncoderContract) -> None: ...

    def run(self, x: Float32Array) -> Float32Array:
        """Encode.

        Parameters
        ----------
        x : ndarray of float32, shape (n, n_channels, n_samples)
            Read-only, C-contiguous. While streaming n is 1.

        Returns
        -------
        ndarray of float32, shape (n, *output_shape)

        Notes
        -----
        Must depend on `x` alone: on nothing before it, no clock, no chance. Rows must not depend on each other. One
        thread calls at a time. What is not a number must come out as not a number.
        """
        ...


class Plugin(NamedTuple):
    """A plug-in that is installed.

    Parameters
    ----------
    name : str
        What recipes call it.
    value : str
        ``module:Class``.
    package, version : str
        The distribution that brings it.
    """

    name: str
    value: str
    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} of {self.package} {self.version}"


def list_plugins() -> list[Plugin]:
    """Plug-ins that are installed, by name; imports none of them."""
    built_in = [
        Plugin(name, value, package, _version(package)) for name, (value, package) in BUILT_IN.items()
    ]
    others = [_described(point) for point in entry_points(group=GROUP)]
    return sorted([one for one in built_in if one.version] + others)


def find_plugin(name: str) -> Plugin:
    """The plug-in of a name.

    Raises
    ------
    ConfigError
        When there is none, or more than one.
    MissingPackageError
        When it is rtbci's own and needs a package that is not there.
    """
    known = list_plugins()
    found = [one for one in known if one.name == name]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        raise ConfigError(
            f"plug-in '{name}': is brought by {' and '.join(one.package for one in found)}, need one; uninstall the other"
        )
    if name in BUILT_IN:
        package = BUILT_IN[name][1]
        raise MissingPackageError(f"plug-in '{name}': {package} is not installed; {pip_extra(package)}")
    have = ", ".join(one.name for one in known) or "none"
    raise ConfigError(
        f"plug-in '{name}': is not installed, have {have}; install the package that brings it (entry points of the group "
        f"{GROUP})"
    )


def load_class(plugin: Plugin) -> type[Encoder]:
    """Import a plug-in.

    Raises
    ------
    EngineError
        When that fails, for whatever reason.
    """
    try:
        made: type[Encoder] = EntryPoint(plugin.name, plugin.value, GROUP).load()
    except (Exception, SystemExit) as error:  # somebody else's code
        raise EngineError(
            f"plug-in {plugin}: cannot be imported from {plugin.value} ({type(error).__name__}: {error}); mend or update that package"
        ) from error
    if not callable(getattr(made, "run", None)):
        raise EngineError(
            f"plug-in {plugin}: {plugin.value} has no method run; need a class as in docs/own.md"
        )
    return made


def _described(point: EntryPoint) -> Plugin:
    dist = point.dist
    return Plugin(point.name, point.value, *(("?", "?") if dist is None else (dist.name, dist.version)))


def _version(package: str) -> str:
    """Version of a distribution; empty when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
