"""`rtbci run`: its options. What it does is imported when it is called."""

from typing import Annotated, Any, NamedTuple

import typer

from rtbci.commands.option_groups import grouped
from rtbci.commands.options import (
    Address,
    Config,
    Ignore,
    Labels,
    Map,
    Monitor,
    MonitorAt,
    ParadigmName,
    SourceId,
    StreamName,
    Unit,
    console_of,
    stream_settings,
)

__all__ = ["run"]

Settings = dict[str, Any]
"""What options say, by names of the configuration; None: not given."""


class DecoderOptions(NamedTuple):
    """Decoder."""

    paradigm: ParadigmName = None
    user: Annotated[str | None, typer.Option(help="Whose newest profile to use (default: anonymous).")] = None
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile by path, USER or USER@GENERATION, or 'population' (default: the user's newest, else population)."
        ),
    ] = None
    follow: Annotated[
        bool | None, typer.Option(help="Use new generations of the user's profile as they appear.")
    ] = None
    adapt: Annotated[
        bool | None, typer.Option(help="Adapt to the user while in use (default: as the paradigm says, off).")
    ] = None

    def settings(self) -> Settings:
        """See `Settings`."""
        return {
            "paradigm": self.paradigm,
            "user": self.user,
            "profile": self.profile,
            "follow": self.follow,
            "adapt.enabled": self.adapt,
        }


class StreamOptions(NamedTuple):
    """Stream."""

    stream: StreamName = None
    source_id: SourceId = None
    markers: Annotated[
        str | None,
        typer.Option(
            help="Name or source id of a marker stream; 'auto', those of the EEG stream, its computer and this one; "
            "or 'none' (default: auto)."
        ),
    ] = None
    unit: Unit = None
    map: Map = None
    ignore: Ignore = None
    labels: Labels = None
    wait: Annotated[bool | None, typer.Option(help="Wait for the stream instead of giving up.")] = None
    timeout: Annotated[
        float | None, typer.Option(help="Look for the stream this long, in seconds (default: 10).")
    ] = None

    def settings(self) -> Settings:
        """See `Settings`."""
        named = stream_settings(
            name=self.stream,
            source_id=self.source_id,
            unit=self.unit,
            ignore=self.ignore,
            labels=self.labels,
            markers=self.markers,
            map=self.map,
        )
        return named | {"stream.wait": self.wait, "stream.timeout_s": self.timeout}


class EngineOptions(NamedTuple):
    """Engine."""

    engine: Annotated[
        str | None,
        typer.Option(
            help="Back end: auto, openvino, tensorrt, tensorrt_rtx, onnxruntime-cuda or torch (default: onnxruntime, on "
            "which every run starts; another one takes over when it is ready)."
        ),
    ] = None
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, fp16 or bf16 for TensorRT (default: the engine's), bf16 for openvino (default: fp32)."
        ),
    ] = None
    wait_engine: Annotated[
        bool | None, typer.Option(help="Wait until the engine is built and checked before starting.")
    ] = None
    engine_recipe: Annotated[
        str | None, typer.Option(help="Engine by name or folder (default: the paradigm's).")
    ] = None

    def settings(self) -> Settings:
        """See `Settings`."""
        return {
            "engine.backend": self.engine,
            "engine.precision": self.precision,
            "engine.wait": self.wait_engine,
            "engine.recipe": self.engine_recipe,
        }


class PublishOptions(NamedTuple):
    """Messages."""

    pub: Address = None
    control: Annotated[
        str | None, typer.Option(help="ZMQ address of the control socket (default: tcp://127.0.0.1:5572).")
    ] = None
    format: Annotated[str | None, typer.Option(help="json or msgpack (default: json).")] = None
    lsl_outlet: Annotated[bool | None, typer.Option(help="Offer predictions as an LSL stream too.")] = None
    key: Annotated[
        str | None,
        typer.Option(
            help="Key pair to encrypt all sockets with (default: none; off loopback the one called default)."
        ),
    ] = None
    insecure: Annotated[
        bool | None, typer.Option(help="Allow addresses that the network reaches, unencrypted.")
    ] = None
    monitor: Monitor = None
    monitor_at: MonitorAt = None

    def settings(self) -> Settings:
        """See `Settings`."""
        return {
            "publish.address": self.pub,
            "publish.control": self.control,
            "publish.format": self.format,
            "publish.lsl_outlet": self.lsl_outlet,
            "publish.key": self.key,
            "publish.insecure": self.insecure,
            "monitor.enabled": True if self.monitor_at else self.monitor,
            "monitor.address": self.monitor_at,
        }


class SessionOptions(NamedTuple):
    """Session."""

    duration: Annotated[float | None, typer.Option(help="Stop after this many seconds (default: never).")] = (
        None
    )
    record: Annotated[
        str | None, typer.Option(help="Folder for recordings (default: sessions in the user's data folder).")
    ] = None
    no_record: Annotated[bool, typer.Option("--no-record", help="Do not record this run.")] = False
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="[SESSION]",
            help="Go on with a session that was cut short, with its settings and profile (default: the newest).",
        ),
    ] = None

    def settings(self) -> Settings:
        """See `Settings`."""
        return {
            "duration_s": self.duration,
            "record.folder": self.record,
            "record.enabled": False if self.no_record else None,
        }


@grouped
def run(
    decoder: DecoderOptions,
    stream: StreamOptions,
    engine: EngineOptions,
    messages: PublishOptions,
    session: SessionOptions,
    config: Config = None,
) -> None:
    """Find the EEG stream, decode it, publish predictions."""
    from rtbci.config import read_config

    flags: Settings = {}
    for group in (decoder, stream, engine, messages, session):
        flags |= group.settings()
    from rtbci.commands import run as command

    if session.resume is not None:
        from rtbci.commands.resuming import config_to_go_on

        folder, settings = config_to_go_on(session.resume, flags | {"config": config})
        command.run(settings, console_of(), folder)
        return
    command.run(read_config(config, flags), console_of())
