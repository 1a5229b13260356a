"""What an engine's recipe says of where its network is: an ONNX file, or a class that somebody installed."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from rtbci.settings import Settings

__all__ = ["NetworkSettings"]


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
