"""What an engine's recipe says: the contract of a network that can be compiled, or of a plug-in."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rtbci.recipes.find import option_of
from rtbci.settings import Positive, Settings

__all__ = ["EngineInput", "EngineOutput", "EngineRecipe", "NetworkSettings", "Precision", "Tolerance"]

Precision = Literal["fp32", "fp16", "bf16", "int8"]
"""What a network computes in; LayerNorm and softmax in fp32 whatever it is. Input and output stay float32."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class EngineInput(Settings):
    """The input contract of an engine."""

    name: str
    channels: tuple[str, ...] = ()
    n_channels: int | None = Field(default=None, ge=1)
    rate_hz: Positive
    unit: Literal["uV", "mV", "whitened"] = "uV"
    n_samples: int = Field(ge=1)


class EngineOutput(Settings):
    """What an engine returns; `shape` without the batch axis."""

    name: str
    meaning: Literal["features", "logits", "probs"]
    shape: tuple[int, ...]


class Tolerance(Settings):
    """How far an engine may be from the torch fp32 reference; a bare number in a recipe is `max_abs`.

    Parameters
    ----------
    max_abs : float
        Largest difference of one output number.
    cosine : float
        Smallest cosine between the outputs for one input.
    """

    max_abs: Positive
    cosine: float = Field(default=0.999, ge=-1.0, le=1.0)

    @model_validator(mode="before")
    @classmethod
    def _number(cls, given: object) -> object:
        return {"max_abs": given} if isinstance(given, int | float) else given


class NetworkSettings(Settings):
    """An ONNX file, or the name of a plug-in with settings of its own; see `rtbci.backends.plugin`."""

    onnx: str = ""
    plugin: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$")] = ""
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_network(self) -> "NetworkSettings":
        if bool(self.onnx) == bool(self.plugin):
            given = (
                f"onnx = '{self.onnx}' and plugin = '{self.plugin}'"
                if self.onnx
                else "neither onnx nor plugin"
            )
            raise ValueError(f"{given}, need one of the two: an ONNX file, or the name of a plug-in")
        if self.settings and not self.plugin:
            raise ValueError("settings are for a plug-in, and an ONNX file is named; leave them out")
        return self


class EngineRecipe(NetworkSettings):
    """A network that can be compiled, or a plug-in, with its contract.

    `precisions` are those that may be built, the first being the default of compiled back ends; `max_batch` is the
    largest number of patches or windows in one call of a compiled engine.
    """

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    kind: Literal["patch", "window"]
    encoder: str = ""
    size: str = ""
    n_heads: int | None = None
    onnx_sha256: Sha256 | None = None
    weights: str | None = None
    weights_sha256: Sha256 | None = None
    opset: int | None = None
    golden: str | None = None
    input: EngineInput
    output: EngineOutput
    tolerance: dict[Precision, Tolerance] = Field(default_factory=dict)
    precisions: tuple[Precision, ...] = Field(default=("fp32",), min_length=1)
    max_batch: int = Field(default=256, ge=1, le=65536)
    folder: Path = Field(default=Path(), exclude=True)

    @property
    def option(self) -> str:
        """What ``rtbci engine check`` takes for it, quoted for a shell: its name where that is enough, else its folder."""
        return option_of("engines", self.name, self.folder)

    @property
    def onnx_path(self) -> Path:
        """Path of the ONNX file."""
        return self.folder / self.onnx
