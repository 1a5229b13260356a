"""The recipe and the decoder that a configuration asks for: the same for a run and for a session that is decoded again."""

from pathlib import Path

from rtbci.config import RunConfig
from rtbci.probe.profile import Profile
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.recipes.markers import with_markers
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_opener import FIRST_BACKEND

__all__ = ["decoder_of", "recipe_of"]


def recipe_of(config: RunConfig) -> ParadigmRecipe:
    """Read the recipe, with the markers that the configuration names beside its own.

    Raises
    ------
    ConfigError
        When there is no such recipe, it is wrong, or a marker is given to no class of it.
    """
    return with_markers(read_paradigm(config.paradigm), config.stream.map)


def decoder_of(
    config: RunConfig,
    recipe: ParadigmRecipe,
    profile: Profile | Path | None,
    backend: str = FIRST_BACKEND,
) -> Decoder:
    """Open a decoder.

    Parameters
    ----------
    config : RunConfig
        Its decision, adaptation, engine and electrodes to ignore.
    recipe : ParadigmRecipe
    profile : Profile, Path or None
        See `Decoder`; what the configuration names has been looked for.
    backend : str
        Of the engines; every run starts on the first.

    Raises
    ------
    ConfigError, ProfileError, EngineError
        See `Decoder`.
    """
    return Decoder(
        recipe,
        profile=profile,
        decision=config.decision,
        adapt=config.adapt,
        backend=backend,
        engine=config.engine.recipe,
        n_threads=config.engine.threads,
        ignore=config.stream.ignore,
        mask=config.mask.enabled,
    )
