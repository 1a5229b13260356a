"""Another profile on its way into use: read, checked, built, and shown the recent signal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rtbci.probe.branches import Branch
from rtbci.probe.fusion import Fusion
from rtbci.probe.profile import Profile
from rtbci.stream.ring import Ring

__all__ = ["Successor"]


@dataclass(slots=True, eq=False)
class Successor:
    """A profile's branches and fusion, that a decoder is to use next, and how much of its signal they have seen.

    Parameters
    ----------
    branches : sequence of Branch
        New ones, that have seen nothing.
    fusion : Fusion
        Of their logits.
    profile : Profile, optional
        That they are of; None when the engine itself gives probabilities.
    """

    branches: Sequence[Branch]
    fusion: Fusion
    profile: Profile | None = None
    i_next: int = 0  # the first recent sample that they have not seen
    stretch: object = None  # of signal without a break, in which `i_next` counts
    n_begun: int = 0  # how often they began with the oldest of the recent samples

    def see(self, recent: Ring, hop: int, stretch: object, n_hops: int | None) -> bool:
        """Push the next of the recent hops to its branches; see `rtbci.runtime.pipeline.Pipeline.warm`.

        Parameters
        ----------
        recent : Ring
            Of the pipeline's signal, whole hops.
        hop : int
            Samples of one.
        stretch : object
            That they belong to; behind a break it is another one.
        n_hops : int or None
            At most so many; None: all.

        Returns
        -------
        bool
            Whether everything has been seen now.
        """
        i_newest, i_oldest = recent.n_written, recent.n_written - recent.n_held
        if self.stretch is not stretch or self.i_next < i_oldest:
            self.stretch, self.i_next = stretch, i_oldest
            self.n_begun += 1
            for branch in self.branches:
                branch.reset()
        i_stop = i_newest if n_hops is None else min(i_newest, self.i_next + n_hops * hop)
        for i in range(self.i_next, i_stop, hop):
            for branch in self.branches:
                branch.push(recent.range(i, i + hop))
        self.i_next = i_stop
        return i_stop == i_newest
