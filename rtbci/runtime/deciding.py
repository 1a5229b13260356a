"""What becomes of an estimate: a class of its window, or an item that many flashes speak for."""

from typing import Protocol

import numpy as np

from rtbci.decide.items import ItemPolicy
from rtbci.decide.policy import DecisionPolicy
from rtbci.errors import ConfigError
from rtbci.recipes import DecisionSettings, ParadigmRecipe
from rtbci.recipes.flashes import FLASH_CLASSES, FlashSettings
from rtbci.runtime.estimate import Estimate
from rtbci.runtime.verdict import Verdict
from rtbci.stream.source import UNSEEN, Marker

__all__ = ["ByItem", "ByWindow", "Deciding", "deciding_for", "evidence_of", "item_policy"]

NONTARGET, TARGET = (FLASH_CLASSES.index(one) for one in ("nontarget", "target"))


class Deciding(Protocol):
    """From estimates to verdicts, with what is remembered between them."""

    def mark(self, marker: Marker) -> bool:
        """Take a marker; whether a window is to be locked to it."""
        ...

    def drop(self, marker: Marker) -> None:
        """The window of this marker will not come."""
        ...

    def verdict(self, estimate: Estimate) -> Verdict:
        """Decide on the next estimate."""
        ...

    def restart(self) -> None:
        """Go on behind a gap."""
        ...

    def reset(self) -> None:
        """Forget the past: another stream."""
        ...

    def succeed(self, earlier: "Deciding") -> None:
        """Take over from the one in use so far, of the same recipe."""
        ...


class ByWindow:
    """Each window is of a class: see `rtbci.decide.policy`.

    Parameters
    ----------
    policy : DecisionPolicy
    """

    def __init__(self, policy: DecisionPolicy) -> None:
        self.policy = policy

    def mark(self, marker: Marker) -> bool:  # noqa: ARG002 - no marker means anything here
        """Whichever marker it is, windows locked to markers are locked to it."""
        return True

    def drop(self, marker: Marker) -> None:
        """Nothing hangs on it."""

    def verdict(self, estimate: Estimate) -> Verdict:
        """Smooth, compare, pause."""
        if estimate.probs is None:
            return Verdict(estimate, None, None, "poor_signal" if estimate.is_refused else "warming_up")
        probs = estimate.probs.tolist()
        label = self.policy.classes[probs.index(max(probs))]
        if estimate.clean < 1.0:
            self.policy.interrupt()
            return Verdict(estimate, label, None, "poor_signal")
        decision = self.policy.push(probs, estimate.t_window[1])
        return Verdict(estimate, label, decision.decision, decision.why, decision.refractory)

    def restart(self) -> None:
        """No window spans a gap, and no decision either."""
        self.policy.reset()

    def reset(self) -> None:
        """See `Deciding.reset`."""
        self.policy.reset()

    def succeed(self, earlier: Deciding) -> None:
        """See `DecisionPolicy.succeed`."""
        if isinstance(earlier, ByWindow):
            self.policy.succeed(earlier.policy)


class ByItem:
    """Each window is of a flash, and flashes speak for items: see `rtbci.decide.items`.

    Parameters
    ----------
    recipe : ParadigmRecipe
        With `flashes`.
    policy : ItemPolicy
    """

    def __init__(self, recipe: ParadigmRecipe, policy: ItemPolicy) -> None:
        self._flashes, self.policy = _flashes(recipe), policy

    def mark(self, marker: Marker) -> bool:
        """Windows are locked to flashes alone; begin and end of a selection are noted, and that it was not seen to its end."""
        if marker.value == UNSEEN:
            self.policy.void(marker.t_lsl)
        meant = self._flashes.read(marker.value, self.policy.items)
        if meant is None or meant.kind == "cue":
            return False
        if meant.kind == "begin":
            self.policy.begin(marker.t_lsl)
        elif meant.kind == "end":
            self.policy.end(marker.t_lsl)
        else:
            self.policy.expect(marker.t_lsl)
        return meant.is_flash

    def drop(self, marker: Marker) -> None:
        """A flash whose window is lost."""
        self.policy.drop(marker.t_lsl)

    def verdict(self, estimate: Estimate) -> Verdict:
        """Add the evidence of a flash; a bad window counts as one that is lost."""
        marker, logits = estimate.marker, evidence_of(estimate)
        if marker is None or logits is None:
            return Verdict(estimate, None, None, "warming_up")
        if estimate.clean < 1.0:
            self.policy.drop(marker.t_lsl)
            items = tuple(self.policy.posterior.tolist())
            return Verdict(
                estimate, self.policy.items[items.index(max(items))], None, "poor_signal", items=items
            )
        meant = self._flashes.read(marker.value, self.policy.items)
        group = meant.name if meant is not None and meant.kind == "flash" else None
        decision, why, probs = self.policy.push(logits, group, marker.t_lsl, estimate.t_window[1])
        return Verdict(estimate, self.policy.items[probs.index(max(probs))], decision, why, items=probs)

    def restart(self) -> None:
        """What complete windows said is kept."""
        self.policy.restart()

    def reset(self) -> None:
        """See `Deciding.reset`."""
        self.policy.reset()

    def succeed(self, earlier: Deciding) -> None:
        """See `ItemPolicy.succeed`."""
        if isinstance(earlier, ByItem):
            self.policy.succeed(earlier.policy)


def evidence_of(estimate: Estimate) -> float | None:
    """Log-likelihood ratio of a flash's window, target against nontarget; None without a window.

    A profile's bias is fitted so that the probabilities are those of a target as frequent as a nontarget.
    """
    if estimate.probs is None:
        return None
    tiny = np.finfo(np.float64).tiny
    nontarget, target = np.log(np.maximum(estimate.probs, tiny))[[NONTARGET, TARGET]]
    return float(target - nontarget)


def deciding_for(recipe: ParadigmRecipe, decision: DecisionSettings) -> ByWindow | ByItem:
    """What decides in a paradigm.

    Parameters
    ----------
    recipe : ParadigmRecipe
    decision : DecisionSettings
        In use; of items only threshold and refractory time.
    """
    if recipe.flashes is not None:
        return ByItem(recipe, item_policy(recipe, decision))
    return ByWindow(DecisionPolicy(recipe.classes, idle=recipe.idle, **decision.model_dump()))


def item_policy(recipe: ParadigmRecipe, decision: DecisionSettings) -> ItemPolicy:
    """The policy over a recipe's items.

    Raises
    ------
    ConfigError
        When the recipe has no flashes.
    """
    flashes = _flashes(recipe)
    groups = flashes.named_groups(recipe.classes)
    return ItemPolicy(
        recipe.classes,
        groups,
        decision.threshold,
        decision.refractory_s,
        flashes.min_flashes or len(groups),
        flashes.max_repetitions * len(groups),
        abstains=flashes.at_end == "abstain",
        p_nobody=flashes.p_nobody,
    )


def _flashes(recipe: ParadigmRecipe) -> FlashSettings:
    if recipe.flashes is None:
        raise ConfigError(
            f"paradigm '{recipe.name}': has no [flashes], need a paradigm whose items flash; name another"
        )
    return recipe.flashes
