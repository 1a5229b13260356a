"""Profiles put in use while a run decodes: read and built beside it, warmed and exchanged between two hops."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rtbci.clock import Clock
from rtbci.errors import ProfileError, RtbciError
from rtbci.probe.profile import Profile, generations
from rtbci.publish.messages import ProfileRef, Scalar
from rtbci.publish.outbox import Outbox
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.runtime.profiles import find_profile, profiles_root
from rtbci.runtime.successor import Successor
from rtbci.runtime.telemetry import hello_of, profile_ref

__all__ = ["ProfileSwaps", "Told"]

PREVIOUS = "previous"
"""Means the profile that decoded before the one in use."""

BUDGET_S = 3e-3
"""Time for warming a new profile's branches after one decision; a hop of motor imagery is 62.5 ms."""
MIN_HOPS = 2
"""Recent hops that it sees after one decision at least: with one it would never catch up."""
WITHIN_S = 4.0
"""A client that asked for a profile is told after 5 s that nothing was done; that must be true."""

Told = Callable[[Mapping[str, Any] | RtbciError], None]
"""Takes the reference of the profile in use now, as plain values, or why there is no swap."""


class _Asked(NamedTuple):
    """A profile that is wanted, however it is named, who is told what came of it, and until when it is wanted."""

    find: Callable[[], Profile | Path | None]
    tell: Told
    t_due: float


class _Ready(NamedTuple):
    """What came of it so far: a profile to put in use, or the reason why not."""

    asked: _Asked
    prepared: Successor | RtbciError


class ProfileSwaps:
    """Exchanges a decoder's profile without making a decision late.

    Parameters
    ----------
    decoder : Decoder
        Whose profile is exchanged.
    outbox : Outbox
        Tells of it: `hello`, and the event ``profile_swapped`` or, of a followed profile, ``profile_refused``.
    clock : callable
        Time in seconds of the local LSL clock.
    watch : ProfileWatch, optional
        New generations of its user are put in use as they appear.

    Notes
    -----
    For two threads. `prepare` belongs to the one that looks after the run: it reads files, checks and builds, takes
    the time that it takes and needs no lock. `ask` and `advance` belong to whoever holds the decoder. They share two
    deques; adding at one end and taking from the other are atomic. Profiles come in use in the order in which
    they were wanted.
    """

    def __init__(
        self, decoder: Decoder, outbox: Outbox, clock: Clock, watch: ProfileWatch | None = None
    ) -> None:
        self._decoder, self._outbox, self._clock, self._watch = decoder, outbox, clock, watch
        self._asked: deque[_Asked] = deque()
        self._ready: deque[_Ready] = deque()
        self._before: list[Profile | None] = []  # of the newest swap: the one in use until then

    def ask(self, name: str, tell: Told) -> None:
        """Want a profile.

        Parameters
        ----------
        name : str
            As `rtbci.runtime.profiles.find_profile` takes it, or ``"previous"``.
        tell : callable
            Called once by `advance`, when the profile is in use or cannot be.
        """
        self._asked.append(_Asked(lambda: self._find(name), tell, self._clock() + WITHIN_S))

    def prepare(self) -> None:
        """Look for a new generation, and read, check and build what is wanted."""
        if self._watch is not None and (folder := self._watch.poll()) is not None:
            self._asked.append(self._following(self._watch.user, folder))
        while self._asked:
            asked = self._asked.popleft()
            try:
                self._ready.append(_Ready(asked, self._decoder.prepare(asked.find())))
            except RtbciError as error:
                self._ready.append(_Ready(asked, error))

    def advance(self) -> None:
        """Do a few milliseconds' work on the next profile, and put it in use when that was the last of it.

        To be called between two hops, best right after a decision. At most one profile comes in use in a call.
        """
        if not self._ready:
            return
        asked, prepared = self._ready[0]
        try:
            if isinstance(prepared, RtbciError):
                raise prepared
            if self._clock() > asked.t_due:
                raise ProfileError(
                    f"profile: was not ready within {WITHIN_S:g} s, need a quicker disk or computer; try again"
                )
            if not self._warm(prepared):
                return
            self._use(prepared)
        except RtbciError as error:
            asked.tell(error)
        else:
            asked.tell(msgspec.to_builtins(profile_ref(self._decoder.profile)))
        self._ready.popleft()

    def _find(self, name: str) -> Profile | Path | None:
        if name != PREVIOUS:
            return find_profile(self._decoder.recipe.name, name)
        if self._before:
            return self._before[-1]
        profile, paradigm = self._decoder.profile, self._decoder.recipe.name
        kept = [] if profile is None else generations(profiles_root(paradigm), profile.user)
        earlier = [one for one in kept if profile is not None and int(one.name) < profile.generation]
        if not earlier:
            raise ProfileError(
                f"profile '{PREVIOUS}': nothing was swapped in this run and the profile in use has no earlier generation, "
                "need one of both; give a user, user@generation or a path"
            )
        return earlier[-1]

    def _following(self, user: str, folder: Path) -> _Asked:
        def tell(ended: Mapping[str, Any] | RtbciError) -> None:
            if isinstance(ended, RtbciError):
                data: dict[str, Scalar] = {"generation": int(folder.name), "reason": str(ended)}
                self._outbox.event("profile_refused", self._clock(), user, data)

        return _Asked(lambda: folder, tell, math.inf)

    def _warm(self, prepared: Successor) -> bool:
        t_stop, n_begun = self._clock() + BUDGET_S, prepared.n_begun
        is_warm = False
        for n_hops in count(1):
            is_warm = self._decoder.warm(prepared, 1)
            if is_warm or (n_hops >= MIN_HOPS and self._clock() >= t_stop):
                break
        if prepared.n_begun > n_begun:
            self._event("profile_warming", profile_ref(prepared.profile))
        return is_warm

    def _use(self, prepared: Successor) -> None:
        before = self._decoder.profile
        self._decoder.use(prepared)
        self._before = [before]
        self._outbox.announce(hello_of(self._decoder))
        self._event("profile_swapped", profile_ref(self._decoder.profile))

    def _event(self, kind: str, profile: ProfileRef) -> None:
        data: dict[str, Scalar] = {"id": profile.id, "generation": profile.generation}
        self._outbox.event(kind, self._clock(), profile.user, data)
