"""Copies of the profiles that a session was decoded with, in its folder: the user's own move on, or are deleted."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from rtbci.errors import ProfileError
from rtbci.probe.profile import Profile, read_profile, write_profile
from rtbci.publish.messages import Hello, Message, ProfileRef
from rtbci.publish.sink import Sink
from rtbci.record.items import UsedProfile
from rtbci.record.session_json import KeptProfile
from rtbci.record.tap import Takes
from rtbci.runtime.decoder import Decoder

__all__ = ["ProfileKeeper", "keep_profile", "read_kept_profile", "remove_profiles"]

PROFILES = "profiles"
"""Folder in a session's folder; each profile is in a folder named by the beginning of its sha256."""
N_DIGITS = 16


class ProfileKeeper(Sink):
    """A `Sink` that hands each profile to a recorder when a hello names it first.

    Parameters
    ----------
    decoder : Decoder
        Whose profiles these are.
    recorder : Takes
    """

    def __init__(self, decoder: Decoder, recorder: Takes) -> None:
        self._decoder, self._recorder = decoder, recorder
        self._kept: set[ProfileRef] = set()

    def send(self, message: Message) -> None:
        """See `Sink.send`; called by whoever holds the decoder."""
        if not isinstance(message, Hello) or message.profile in self._kept:
            return
        self._kept.add(message.profile)
        if self._decoder.profile is not None:
            self._recorder.take(UsedProfile(self._decoder.profile))


def keep_profile(session: Path, profile: Profile) -> KeptProfile:
    """Write a copy below a session's folder, whole or not at all; nothing when it is there.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    sha256 = _sha256(profile)
    folder = session / PROFILES / sha256[:N_DIGITS]
    if not folder.exists():
        write_profile(folder, profile)
    return KeptProfile(
        user=profile.user, generation=profile.generation, id=profile.weights_sha256, sha256=sha256
    )


def read_kept_profile(session: Path, kept: Sequence[KeptProfile], used: ProfileRef) -> Profile:
    """Read the copy of a profile that decoded.

    Parameters
    ----------
    session : Path
        Its folder.
    kept : sequence of KeptProfile
        What `session.json` says of the copies.
    used : ProfileRef
        As messages name it.

    Raises
    ------
    ProfileError
        When it is missing, or not as it was.
    """
    named = [
        one for one in kept if (one.user, one.generation, one.id) == (used.user, used.generation, used.id)
    ]
    what = (
        f"{session}: profile {used.id[:12]}... of '{used.user}', generation {used.generation}, which decoded,"
    )
    if not named:
        raise ProfileError(f"{what} has no copy here, need one to decode again; it was recorded without")
    folder = session / PROFILES / named[-1].sha256[:N_DIGITS]
    try:
        profile = read_profile(folder)
    except ProfileError as error:
        raise ProfileError(f"{what} cannot be read: {error}") from error
    if (found := _sha256(profile)) != named[-1].sha256:
        raise ProfileError(
            f"{what} was changed: {folder} has sha256 {found[:12]}..., need {named[-1].sha256[:12]}...; put the "
            "original back"
        )
    return msgspec.structs.replace(profile, weights_sha256=used.id)


def remove_profiles(session: Path) -> None:
    """Remove all copies of a session that is removed."""
    shutil.rmtree(session / PROFILES, ignore_errors=True)


def _sha256(profile: Profile) -> str:
    """Of all that a profile says and of its weights, however they are laid out in a file."""
    said = msgspec.to_builtins(msgspec.structs.replace(profile, weights={}, weights_sha256=""))
    # Added since sessions are recorded: a profile that says nothing there has its old hash.
    for added in ("baseline", "mirror"):
        if not said[added]:
            del said[added]
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted"))
    for name, x in sorted(profile.weights.items()):
        digest.update(f"{name} {x.dtype.str} {x.shape}".encode())
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()
