"""Plug-ins of a decoder while it runs: an error of one ends no run and no recording, and is told by name."""

import math
from collections.abc import Callable, Mapping

from rtbci.backends.changeable import ChangeableSession
from rtbci.backends.plugin_session import PluginSession
from rtbci.clock import Clock, now
from rtbci.publish.messages import Scalar
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import Changes

__all__ = ["PluginWatch", "plugin_of", "tolerate_plugins", "watch_plugins"]

AGAIN_S = 10.0
"""A plug-in that goes on failing is told of so often."""


def plugin_of(session: ChangeableSession) -> str:
    """Name, package and version of the plug-in that computes; empty where none does."""
    first = session.first
    return str(first.plugin) if isinstance(first, PluginSession) else ""


def _plugin_sessions(decoder: Decoder) -> Mapping[str, PluginSession]:
    """Sessions of plug-ins, by branch."""
    firsts = {branch: session.first for branch, session in decoder.sessions.items()}
    return {branch: first for branch, first in firsts.items() if isinstance(first, PluginSession)}


def tolerate_plugins(decoder: Decoder) -> None:
    """From now on an error of a plug-in costs predictions, and nothing else."""
    for session in _plugin_sessions(decoder).values():
        session.tolerant = True


def watch_plugins(decoder: Decoder, change: Changes | None, clock: Clock = now) -> Changes | None:
    """Tolerate errors of a decoder's plug-ins and tell of them; what is returned takes the place of `change`."""
    sessions = _plugin_sessions(decoder)
    if not sessions:
        return change
    tolerate_plugins(decoder)
    return PluginWatch(sessions, lambda branch: decoder.engines[branch].name, change, clock)


class PluginWatch:
    """Tells of plug-ins that fail, as the event ``plugin_failed``, once in `AGAIN_S`.

    Parameters
    ----------
    sessions : mapping of str to PluginSession
        By branch.
    name_of : callable
        Name of a branch's engine.
    change : Changes or None
        What else is done to engines between two hops.
    clock : Clock
        Seconds of the local LSL clock.
    """

    def __init__(
        self,
        sessions: Mapping[str, PluginSession],
        name_of: Callable[[str], str],
        change: Changes | None,
        clock: Clock = now,
    ) -> None:
        self._sessions, self._name_of, self._change, self._clock = sessions, name_of, change, clock
        self._told = dict.fromkeys(sessions, 0)
        self._t_told = dict.fromkeys(sessions, -math.inf)

    def advance(self, outbox: Outbox) -> bool:
        """Tell of failures, then do a little of the change; see `rtbci.runtime.engine_change.Changes`."""
        for branch, session in self._sessions.items():
            t_now = self._clock()
            if session.n_failures == self._told[branch] or t_now - self._t_told[branch] < AGAIN_S:
                continue
            self._told[branch], self._t_told[branch] = session.n_failures, t_now
            data: dict[str, Scalar] = {
                "branch": branch,
                "plugin": str(session.plugin),
                "reason": session.failure,
                "n": session.n_failures,
            }
            outbox.event("plugin_failed", t_now, self._name_of(branch), data)
        return False if self._change is None else self._change.advance(outbox)
