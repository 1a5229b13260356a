"""A profile's branches, made from its weights: which kind of branch is made how."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rtbci.backends.session import Session
from rtbci.errors import ProfileError, ShapeError
from rtbci.probe.band_branches import CovarianceProbe, PowerBranch, TangentBranch
from rtbci.probe.branches import Branch, EncoderBranch, WindowBranch
from rtbci.probe.cca import CcaProbe
from rtbci.probe.cca_branch import CcaBranch
from rtbci.probe.conv_probe import ConvProbe
from rtbci.probe.epoch_branch import EpochBranch
from rtbci.probe.epoch_heads import head_from_tensors
from rtbci.probe.erp import ErpBranch, ErpProbe
from rtbci.probe.mdm import MdmProbe
from rtbci.probe.power import PowerProbe
from rtbci.probe.profile import BranchEntry, Profile, Weights
from rtbci.probe.tangent import TangentProbe
from rtbci.probe.trca import TrcaProbe
from rtbci.probe.window_head import WindowHead

__all__ = ["cca_branch_of", "open_branches"]


class _Given(NamedTuple):
    """What a branch is made from: its entry in a profile, and where it has an engine, the session and what that gives.

    `start` is what a branch of kind epochs expects before its first window, by class; empty: nothing.
    """

    profile: Profile
    entry: BranchEntry
    session: Session | None
    meaning: str
    start: Mapping[str, float]

    @property
    def tensors(self) -> Weights:
        """The branch's weights; a whole-window engine may have none."""
        return self.profile.tensors(self.entry.name, needed=self.entry.kind != "window")


def open_branches(
    profile: Profile,
    sessions: Mapping[str, Session],
    meanings: Mapping[str, str] | None = None,
    starts: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Branch]:
    """Build a profile's branches, in the order of its fusion.

    Parameters
    ----------
    profile : Profile
        With its weights.
    sessions : mapping of str to Session
        By branch name; one for each branch that has an engine.
    meanings : mapping of str to str, optional
        By branch name: what a whole-window engine gives, ``"logits"`` (default), ``"probs"`` or ``"features"``.
    starts : mapping of str to mapping of str to float, optional
        By branch name: how probable each class is before the first window of a branch of kind epochs.

    Raises
    ------
    ProfileError
        When a session is missing or is not of the engine that the profile was made with, or a branch does not
        fit the profile's window.
    """
    branches: list[Branch] = []
    for entry in profile.branches:
        session = sessions.get(entry.name)
        if entry.engine and session is None:
            raise ProfileError(
                f"branch '{entry.name}': has no session, need engine '{entry.engine}'; open it first"
            )
        if session is not None and entry.engine_id and session.network_id != entry.engine_id:
            raise ProfileError(
                f"branch '{entry.name}': engine '{entry.engine}' has id {session.network_id[:12]}..., the profile was made "
                f"with {entry.engine_id[:12]}...; use that engine, or calibrate again"
            )
        meaning = (meanings or {}).get(entry.name, "logits")
        branch = _made(_Given(profile, entry, session, meaning, (starts or {}).get(entry.name, {})))
        if branch.window_samples != profile.window_samples:
            raise ProfileError(
                f"branch '{entry.name}': has windows of {branch.window_samples} samples, need the profile's "
                f"{profile.window_samples}; train again"
            )
        branches.append(branch)
    return branches


def _made(given: _Given) -> Branch:
    profile, entry = given.profile, given.entry
    try:
        if given.session is not None and entry.kind in _WITH_ENGINE:
            return _WITH_ENGINE[entry.kind](given, given.session)
        if entry.kind in _WITHOUT_ENGINE:
            return _WITHOUT_ENGINE[entry.kind](given)
    except (KeyError, ShapeError) as error:
        raise ProfileError(
            f"branch '{entry.name}': its tensors {sorted(profile.tensors(entry.name))} do not make a branch of kind "
            f"{entry.kind} ({error}); train again"
        ) from error
    raise ProfileError(
        f"branch '{entry.name}': of kind {entry.kind} has no session, need an engine; name one"
    )


def _covariance(given: _Given, read: Callable[[Weights], CovarianceProbe]) -> TangentBranch:
    profile, entry = given.profile, given.entry
    return TangentBranch(
        read(given.tensors),
        entry.bands_hz,
        profile.rate_hz,
        profile.window_samples,
        profile.hop_samples,
        order=entry.order,
        name=entry.name,
        delays_samples=entry.delays_samples,
    )


def _power(given: _Given) -> PowerBranch:
    profile = given.profile
    probe = PowerProbe.from_tensors(given.tensors)
    return PowerBranch(probe, profile.window_samples, profile.hop_samples, name=given.entry.name)


def cca_branch_of(profile: Profile, entry: BranchEntry, probe: CcaProbe | TrcaProbe) -> CcaBranch:
    """A branch that reads flicker, with whichever probe."""
    return CcaBranch(
        probe,
        entry.frequencies_hz,
        entry.bands_hz,
        entry.lengths_samples,
        profile.rate_hz,
        len(profile.channels),
        profile.hop_samples,
        n_harmonics=entry.n_harmonics,
        order=entry.order,
        name=entry.name,
    )


def _epochs(given: _Given) -> EpochBranch:
    profile, tensors, start = given.profile, given.tensors, given.start
    return EpochBranch(
        head_from_tensors(tensors),
        len(profile.channels),
        profile.window_samples,
        profile.hop_samples,
        profile.rate_hz,
        transition=tensors.get("transition"),
        prior=tensors.get("prior"),
        start=[start[one] for one in profile.classes] if start else None,
        name=given.entry.name,
    )


def _encoder(given: _Given, session: Session) -> EncoderBranch:
    tensors = given.tensors
    return EncoderBranch(
        session,
        ConvProbe.from_tensors(tensors),
        given.profile.hop_samples,
        given.entry.name,
        tensors.get("adapter"),
        tensors.get("adapter_fir"),
    )


def _window(given: _Given, session: Session) -> WindowBranch:
    return WindowBranch(session, given.meaning, given.entry.name, WindowHead.from_tensors(given.tensors))


_WITHOUT_ENGINE: Mapping[str, Callable[[_Given], Branch]] = {
    "tangent": lambda given: _covariance(given, TangentProbe.from_tensors),
    "mdm": lambda given: _covariance(given, MdmProbe.from_tensors),
    "power": _power,
    "cca": lambda given: cca_branch_of(given.profile, given.entry, CcaProbe.from_tensors(given.tensors)),
    "trca": lambda given: cca_branch_of(given.profile, given.entry, TrcaProbe.from_tensors(given.tensors)),
    "epochs": _epochs,
    "erp": lambda given: ErpBranch(ErpProbe.from_tensors(given.tensors), given.entry.name),
}
_WITH_ENGINE: Mapping[str, Callable[[_Given, Session], Branch]] = {"encoder": _encoder, "window": _window}
"""How a branch is made, by its kind."""
