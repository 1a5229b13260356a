"""Configuration of a run: one TOML file plus the command line's flags."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rtbci.recipes import AdaptSettings, DecisionSettings, recipes_root
from rtbci.settings import Positive, Settings, check_settings, read_toml

__all__ = [
    "EngineSettings",
    "MaskSettings",
    "MonitorSettings",
    "PublishSettings",
    "RecordSettings",
    "RunConfig",
    "StreamSettings",
    "WatchSettings",
    "read_config",
]

Unit = Literal["", "V", "mV", "uV", "nV"]


class StreamSettings(Settings):
    """Which stream to decode.

    Without `name` and `source_id`, the only EEG stream on the network is taken.
    """

    name: str = ""
    source_id: str = ""
    type: str = "EEG"
    markers: str = Field(default="auto", description="name or source id of a marker stream, 'auto' or 'none'")
    unit: Unit = Field(default="", description="overrides the unit that the stream states")
    ignore: tuple[str, ...] = Field(default=(), description="electrodes that are treated as missing")
    labels: tuple[str, ...] = Field(
        default=(),
        description="names of the stream's channels in their order, where it states none or wrong ones",
    )
    map: tuple[str, ...] = Field(
        default=(),
        description="markers of a class beside the recipe's, TEXT=CLASS; see rtbci.recipes.markers",
    )
    timeout_s: Positive = 10.0
    wait: bool = False


class WatchSettings(Settings):
    """When a stream that says nothing counts as stale, and as lost, and when a backlog is skipped."""

    stale_s: Positive = 1.0
    lost_s: Positive = 5.0
    max_backlog_s: Positive = 0.25

    @model_validator(mode="after")
    def _ordered(self) -> "WatchSettings":
        if self.lost_s <= self.stale_s:
            raise ValueError(f"lost_s is {self.lost_s:g}, must exceed stale_s = {self.stale_s:g}")
        return self


class MaskSettings(Settings):
    """Whether electrodes that give no EEG are replaced by what the others say, until they are good again.

    Either way they are named. It takes a paradigm that aligns.
    """

    enabled: bool = True


class PublishSettings(Settings):
    """Where predictions go."""

    address: str = "tcp://127.0.0.1:5571"
    control: str = "tcp://127.0.0.1:5572"
    format: Literal["json", "msgpack"] = "json"
    lsl_outlet: bool = False
    key: str = Field(default="", description="key pair that all sockets are encrypted with")
    insecure: bool = Field(default=False, description="the network may read and control, unencrypted")

    @model_validator(mode="after")
    def _one_of_both(self) -> "PublishSettings":
        if self.key and self.insecure:
            raise ValueError(
                f"insecure is true and key is {self.key!r}, need one of them; leave out insecure"
            )
        return self


class EngineSettings(Settings):
    """How engines are run; `recipe` replaces the engine that the paradigm names.

    A run starts on ONNX Runtime and changes over to another back end when its engine is ready; with `wait` it is
    waited for first.
    """

    backend: Literal[
        "auto", "onnxruntime", "openvino", "torch", "onnxruntime-cuda", "tensorrt", "tensorrt_rtx"
    ] = Field(default="onnxruntime", description="'auto': the fastest on this computer's CPU, as measured")
    precision: Literal["auto", "fp32", "fp16", "bf16"] = Field(
        default="auto",
        description="'auto': fp32, and what the engine's recipe says for TensorRT; bf16 on openvino where the processor has it",
    )
    wait: bool = Field(default=False, description="build and check the engine before the run starts")
    threads: int = Field(default=1, ge=1, le=64)
    recipe: str = ""
    rehearse: bool = Field(default=True, description="run once, unseen, just before samples are due")

    @model_validator(mode="after")
    def _computed_there(self) -> "EngineSettings":
        from rtbci.backends.registry import BACKENDS

        known = BACKENDS.get(self.backend)
        own = ("auto", *(("fp32",) if known is None else known.precisions))
        if self.precision not in own and not (known and known.compiles):
            others = [
                name
                for name, one in BACKENDS.items()
                if not one.compiles and self.precision in one.precisions
            ]
            too = f", {' and '.join(others)} in {self.precision} too" if others else ""
            raise ValueError(
                f"precision is {self.precision}, need {', '.join(own[:-1])} or {own[-1]} on {self.backend}; only "
                f"tensorrt and tensorrt_rtx compute in any{too}"
            )
        return self


class RecordSettings(Settings):
    """Whether a run is recorded, where, and the memory for what the disk has not taken yet."""

    enabled: bool = True
    folder: str = Field(default="", description="of all sessions; empty: sessions in the user's data folder")
    memory_mb: int = Field(default=64, ge=1, le=65_536)


class MonitorSettings(Settings):
    """The live page beside a run: a program of its own that only listens; see docs/monitor.md."""

    enabled: bool = False
    address: str = Field(default="127.0.0.1:5580", description="HOST:PORT; port 0: any")
    tls_cert: str = Field(
        default="", description="certificate chain (PEM), for other addresses than this machine's"
    )
    tls_key: str = Field(default="", description="its private key (PEM)")
    insecure: bool = Field(default=False, description="serve to the network without TLS")
    origins: tuple[str, ...] = Field(default=(), description="other pages that may read messages")


class RunConfig(Settings):
    """Everything that `rtbci run` can be told."""

    paradigm: str = "motor_imagery"
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "anonymous"
    profile: str = Field(default="", description="path of a profile, or 'population'")
    follow: bool = Field(
        default=False, description="use new generations of the user's profile as they appear"
    )
    duration_s: Positive | None = None
    decision: DecisionSettings | None = None
    adapt: AdaptSettings | None = Field(default=None, description="replaces the recipe's; off without both")
    stream: StreamSettings = StreamSettings()
    watch: WatchSettings = WatchSettings()
    mask: MaskSettings = MaskSettings()
    publish: PublishSettings = PublishSettings()
    engine: EngineSettings = EngineSettings()
    record: RecordSettings = RecordSettings()
    monitor: MonitorSettings = MonitorSettings()


def read_config(name: str | None, flags: dict[str, Any]) -> RunConfig:
    """Read a configuration and lay the command line's flags over it.

    Parameters
    ----------
    name : str or None
        Path of a TOML file, or the name of one that comes with rtbci (``"lab"``).
    flags : dict
        Values by dotted key (``"stream.name"``); None means not given.

    Raises
    ------
    ConfigError
        All bad keys at once.
    """
    values: dict[str, Any] = {}
    where = "command line"
    if name:
        path = Path(name)
        shipped = recipes_root() / "configs" / f"{name}.toml"
        path = shipped if not path.is_file() and shipped.is_file() else path
        values, where = read_toml(path), str(path)
    for key, value in flags.items():
        if value is not None:
            _lay_over(values, key.split("."), value)
    return check_settings(RunConfig, values, where)


def _lay_over(values: dict[str, Any], path: list[str], value: Any) -> None:
    *parents, last = path
    for parent in parents:
        table = values.setdefault(parent, {})
        if not isinstance(table, dict):
            return  # the file has a plain value where a table is needed: validation tells of it
        values = table
    values[last] = value
