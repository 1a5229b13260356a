"""What a command was given is looked at before it starts anything; all that is wrong is told, not the first alone."""

from collections.abc import Callable
from typing import TypeVar

from rtbci.config import RunConfig
from rtbci.errors import ConfigError, RtbciError

__all__ = ["Checks", "check_run"]

T = TypeVar("T")


class Checks:
    """Errors of a command's arguments, kept until all have been looked at.

    Examples
    --------
    >>> checks = Checks()
    >>> checks.take(lambda: 3), checks.need(True, "")
    (3, None)
    >>> checks.need(False, "--chunk: got 0, need 1 or more")
    >>> checks.end()
    Traceback (most recent call last):
    rtbci.errors.ConfigError: --chunk: got 0, need 1 or more
    """

    def __init__(self) -> None:
        self._errors: list[RtbciError] = []

    def take(self, check: Callable[[], T]) -> T | None:
        """What a check returns; None where it raises an error of ours, which is kept."""
        try:
            return check()
        except RtbciError as error:
            self._errors.append(error)
            return None

    def need(self, is_right: bool, message: str) -> None:
        """Keep an error where something is wrong."""
        if not is_right:
            self._errors.append(ConfigError(message))

    def end(self) -> None:
        """Tell what was kept.

        Raises
        ------
        RtbciError
            The only one; or one like the first, a line for each.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            lines = dict.fromkeys(str(error) for error in self._errors)
            raise type(self._errors[0])("\n".join(lines))


def check_run(config: RunConfig) -> None:
    """Look at what a run is told, before a port is bound or anything slow is loaded.

    What needs the stream (electrodes, labels, unit) is checked when it is there; whether a port is free, by binding it.

    Raises
    ------
    RtbciError
        All that is wrong.
    """
    from rtbci.backends.usable import MODULES, version_of
    from rtbci.keys.curve import read_key
    from rtbci.publish.addresses import check_bind_address
    from rtbci.recipes import read_engine
    from rtbci.runtime.configured import recipe_of
    from rtbci.runtime.profiles import find_profile
    from rtbci.stream.lsl_resolve import predicate_of

    checks, publish, engine = Checks(), config.publish, config.engine
    recipe = checks.take(lambda: recipe_of(config))
    if recipe is not None:
        checks.take(lambda: find_profile(recipe.name, config.profile, config.user))
    checks.take(lambda: predicate_of(config.stream.name))
    if engine.recipe:
        checks.take(lambda: read_engine(engine.recipe))
    if engine.backend in MODULES:
        checks.take(lambda: version_of(engine.backend))
    # Whether the network may reach them is asked when they are bound, with the keys that there are.
    checks.take(lambda: check_bind_address("--pub", publish.address, insecure=True))
    checks.take(lambda: check_bind_address("--control", publish.control, insecure=True))
    if publish.key:
        checks.take(lambda: read_key(publish.key))
    if config.monitor.enabled:
        from rtbci.monitor.place import WHAT, place_of
        from rtbci.web.needed import need_page

        checks.take(lambda: need_page(WHAT, "monitor", "leave out --monitor", imports=False))
        checks.take(lambda: place_of(config.monitor.address))
    checks.end()
