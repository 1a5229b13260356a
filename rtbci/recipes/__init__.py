"""Where recipes are, and what they say.

A recipe is a folder with a `recipe.toml`: an engine (what can be compiled) or a paradigm (what can be
decoded). Nothing in rtbci names a recipe; recipes name things of rtbci.
"""

from rtbci.recipes.branches import BranchSettings, StimulusSettings
from rtbci.recipes.engine import EngineInput, EngineOutput, EngineRecipe, Precision, Tolerance
from rtbci.recipes.find import all_recipes, find_recipe, list_recipes, recipes_root
from rtbci.recipes.flashes import FlashSettings
from rtbci.recipes.paradigm import (
    AdaptSettings,
    DecisionSettings,
    InputSettings,
    ParadigmRecipe,
    RecentreSettings,
    WindowSettings,
    idle_class,
)
from rtbci.recipes.read import read_engine, read_paradigm
from rtbci.recipes.stages import (
    AlignSettings,
    BandpassSettings,
    DecimateSettings,
    NotchSettings,
    ReferenceSettings,
    ResampleSettings,
    StageSettings,
)

__all__ = [
    "AdaptSettings",
    "AlignSettings",
    "BandpassSettings",
    "BranchSettings",
    "DecimateSettings",
    "DecisionSettings",
    "EngineInput",
    "EngineOutput",
    "EngineRecipe",
    "FlashSettings",
    "InputSettings",
    "NotchSettings",
    "ParadigmRecipe",
    "Precision",
    "RecentreSettings",
    "ReferenceSettings",
    "ResampleSettings",
    "StageSettings",
    "StimulusSettings",
    "Tolerance",
    "WindowSettings",
    "all_recipes",
    "find_recipe",
    "idle_class",
    "list_recipes",
    "read_engine",
    "read_paradigm",
    "recipes_root",
]
