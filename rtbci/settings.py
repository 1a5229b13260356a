"""TOML files into checked settings: every bad key of a file is told at once, by its path.

Validation is pydantic's; this module only gives its errors the house form.
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtbci.errors import ConfigError

__all__ = ["LATER", "Positive", "Settings", "Share", "check_settings", "read_toml"]

ModelT = TypeVar("ModelT", bound=BaseModel)
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]

MAX_BYTES = 1 << 20
DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){50}")
"""A key of so many parts; for thousands the parser wants gigabytes."""

PATTERNS = {
    r"^[A-Za-z0-9_.-]+$": "letters of A to Z, digits, and any of _ . - (no blanks)",
    r"^[A-Za-z0-9_.-]*$": "letters of A to Z, digits, and any of _ . - (no blanks)",
    r"^[a-z][a-z0-9_]*$": "small letters, digits and _, a letter first",
    r"^[0-9a-f]{64}$": "64 of the digits 0 to 9 and a to f",
}
"""What texts must be like, for people."""

LATER = Field(exclude_if=lambda one: not one)
"""In the annotation of a key that was added since sessions are recorded: a recipe that says nothing there has its old hash.

What is empty by default is left out of what is dumped while it is empty, and so of what `recipe_sha256` and `chain_hash` see.
"""


class Settings(BaseModel):
    """Base of all settings: unknown keys are errors, values are fixed, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        When the file is missing, is not TOML, or is none that settings could be in: larger than 1 MB, or nested
        deeply.
    """
    try:
        return _parse(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file, need a TOML file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); check the path and its permissions") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}; correct that line") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply, need a few levels; correct it") from None


def _parse(path: Path) -> dict[str, Any]:
    if (n_bytes := path.stat().st_size) > MAX_BYTES:
        raise ConfigError(f"{path}: has {n_bytes} bytes, need at most {MAX_BYTES}; is this the right file?")
    text = path.read_text(encoding="utf-8")
    if DEEP_KEY.search(text):
        raise RecursionError
    return tomllib.loads(text)


def check_settings(model: type[ModelT], values: dict[str, Any], where: str) -> ModelT:
    """Validate `values` against `model`.

    Parameters
    ----------
    model : type
        A pydantic model.
    values : dict
        As read from TOML, with flags merged in.
    where : str
        What the values came from, for messages (a file's path, "command line").

    Raises
    ------
    ConfigError
        One line for every bad key: its path, what was given and what is needed.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        schema = model.model_json_schema()
        known, tags = _known_keys(schema), _union_tags(schema)
        lines = [_line(item, known, tags) for item in error.errors() if item["type"] != "too_short"]
        lines = lines or [_line(item, known, tags) for item in error.errors()]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from None


def _known_keys(schema: dict[str, Any]) -> list[str]:
    tables = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for table in tables for key in table.get("properties", {})})


def _union_tags(node: Any) -> set[str]:
    """Tags of discriminated unions: pydantic puts them into an error's path, the file does not have them."""
    if isinstance(node, dict):
        own = set(node.get("mapping", {})) if isinstance(node.get("mapping"), dict) else set()
        return own.union(*(_union_tags(child) for child in node.values()))
    return set().union(*(_union_tags(child) for child in node)) if isinstance(node, list) else set()


def _line(item: Any, known: list[str], tags: set[str]) -> str:
    loc = item["loc"]
    parts = [part for i, part in enumerate(loc) if not (i and isinstance(loc[i - 1], int) and part in tags)]
    path = ".".join(str(part) for part in parts) or "file"
    if item["type"] == "extra_forbidden":
        key = str(parts[-1])  # a key of another table is none here
        near = difflib.get_close_matches(key, [one for one in known if one != key], n=1)
        hint = f"did you mean '{near[0]}'?" if near else "remove it"
        return f"{path}: unknown key; {hint}"
    if item["type"] == "missing":
        return f"{path}: missing, need a value"
    message = item["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")  # as TOML calls it
    if item["type"] == "value_error":
        return f"{path}: {message}"
    if item["type"] == "string_pattern_mismatch" and (words := PATTERNS.get(item["ctx"]["pattern"])):
        return f"{path}: got {item['input']!r}, need {words}"
    return f"{path}: got {item['input']!r}, {message[0].lower()}{message[1:]}"
