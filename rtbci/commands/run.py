"""`rtbci run`: find the stream, decode, publish."""

import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from rtbci.commands.recording import recorded, say_recorded, say_recording, start_recorder
from rtbci.commands.run_sockets import RunSockets, open_sockets
from rtbci.commands.status_line import StatusLine
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.publish.sink import Sink
from rtbci.recipes import ParadigmRecipe, read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import EngineChange
from rtbci.runtime.engine_opener import FIRST_BACKEND
from rtbci.runtime.live import LiveRun, Report, SourceFactory
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.runtime.profiles import find_profile, profiles_root
from rtbci.runtime.signal_tap import SignalOffer
from rtbci.runtime.telemetry import hello_of
from rtbci.stream.lsl import LslSource
from rtbci.stream.source import Source, StreamInfo

if TYPE_CHECKING:
    from rtbci.commands.monitor import PageProcess

__all__ = ["lsl_factory", "run"]

RETRY_TIMEOUT_S = 2.0
SWITCH_S = 0.0005
"""A thread that runs Python gives way after so long to one that waits, as the decoder's; Python's own limit is 5 ms."""
LOOK_S = 0.1


def run(config: RunConfig, console: Console) -> Report:
    """Run until Ctrl-C, a client's stop, or the end of the duration.

    Parameters
    ----------
    config : RunConfig
        Checked settings.
    console : Console
        Where to say what happens (standard error, so that pipes stay clean).
    """
    with ExitStack() as stack:
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_S)
        stop = stack.enter_context(stop_on_signals())
        # Addresses first: a port that is taken is told before anything slow is loaded.
        publish = config.publish
        sockets = open_sockets(config.publish, stack)
        publisher, control = sockets.publisher, sockets.control
        page = _start_page(config, sockets, stack)
        recipe = read_paradigm(config.paradigm)
        # Before the profile is looked for: one that appears from here on is not missed.
        watch = ProfileWatch(profiles_root(recipe.name), config.user) if config.follow else None
        profile = find_profile(recipe.name, config.profile, config.user)
        decoder = stack.enter_context(_open_decoder(config, recipe, profile))
        change = _begin_change(config, decoder, stack)
        _introduce(console, config, decoder, publisher.address, control.address)
        sockets.say(console)
        if page is not None:
            console.print(f"page:    {page.url()}", highlight=False)
        if change is not None and config.engine.wait:
            _wait_for(change, console, stop)
        offer = SignalOffer(publisher, config.stream.unit, lambda: decoder.channel_map)
        sinks: list[Sink] = [publisher, offer]
        if publish.lsl_outlet:
            from rtbci.publish.lsl_outlet import LslOutlet

            sinks.append(LslOutlet(hello_of(decoder), decisions=True))
        line = StatusLine(console)
        stack.callback(line.close)
        sinks.append(line)
        make_source, recorder = lsl_factory(config), None
        if config.record.enabled:
            recorder = start_recorder(config, decoder)
            stack.callback(recorder.close)
            sinks.append(recorder)
            make_source = recorded(make_source, recorder)
        make_source = offer.factory(make_source)
        say_recording(console, recorder)
        news = sockets.news if recorder is None else sockets.news_beside(recorder.news)
        live = LiveRun(config, decoder, make_source, sinks, control, watch=watch, change=change, news=news)
        report = live.run(stop)
    _say_end(console, report)
    sockets.say_end(console)
    if recorder is not None:
        say_recorded(console, recorder.written)
    return report


def _open_decoder(config: RunConfig, recipe: ParadigmRecipe, profile: Path | None) -> Decoder:
    return Decoder(
        recipe,
        profile=profile,
        decision=config.decision,
        adapt=config.adapt,
        backend=FIRST_BACKEND,
        engine=config.engine.recipe,
        n_threads=config.engine.threads,
        ignore=config.stream.ignore,
        mask=config.mask.enabled,
    )


def _start_page(config: RunConfig, sockets: RunSockets, stack: ExitStack) -> "PageProcess | None":
    """Start the live page, where it is wished for; it loads while the decoder does."""
    if not config.monitor.enabled:
        return None
    from rtbci.commands.monitor import PageProcess

    publish, control = sockets.publisher.address, sockets.control.address
    return stack.enter_context(PageProcess(config.monitor, publish, control, sockets.key_flags))


def _begin_change(config: RunConfig, decoder: Decoder, stack: ExitStack) -> EngineChange | None:
    """Begin to prepare the engine that is wished for, where it is not the one that the run starts on."""
    wished = config.engine
    if wished.backend == FIRST_BACKEND or not decoder.engines:
        return None
    from rtbci.runtime.engine_process import EngineProcess, import_backend

    import_backend(wished.backend)
    process = EngineProcess(decoder.recipe, wished.backend, wished.precision, wished.threads)
    return stack.enter_context(EngineChange(decoder, process))


def _wait_for(change: EngineChange, console: Console, stop: threading.Event) -> None:
    """Wait until the engine is ready or refused; the run tells which when it begins."""
    said = ""
    with console.status("engine: being prepared") as shown:
        while not stop.is_set() and not change.wait(LOOK_S):
            if change.progress == said:
                continue
            said = change.progress
            shown.update(f"engine: {escape(said)}")
            if not console.is_terminal:
                console.print(f"engine:  {said}", markup=False, highlight=False)


def lsl_factory(config: RunConfig) -> SourceFactory:
    """Make the function that makes the LSL source: by configuration first, by `source_id` after a loss."""
    stream = config.stream
    markers = {"auto": "", "none": None}.get(stream.markers, stream.markers)

    def make(lost: StreamInfo | None) -> Source:
        if lost is not None:
            name = "" if lost.source_id else lost.name
            return LslSource(name=name, source_id=lost.source_id, timeout_s=RETRY_TIMEOUT_S, markers=markers)
        return LslSource(
            name=stream.name,
            type="" if stream.name or stream.source_id else stream.type,
            source_id=stream.source_id,
            timeout_s=RETRY_TIMEOUT_S if stream.wait else stream.timeout_s,
            markers=markers,
        )

    return make


def _introduce(console: Console, config: RunConfig, decoder: Decoder, address: str, control: str) -> None:
    profile = decoder.profile
    engine = decoder.engine_ref
    if profile is None:
        console.print("decoder: the engine's own classes", highlight=False)
    elif profile.generation == 0:
        console.print(f"decoder: {decoder.recipe.name}, population decoder (no calibration)", highlight=False)
    else:
        console.print(
            f"decoder: {decoder.recipe.name}, profile of {profile.user}, generation {profile.generation}",
            highlight=False,
        )
    if profile is not None and profile.accuracy is not None:
        accuracy = profile.accuracy
        console.print(
            f"         {accuracy.mean:.1f} % [{accuracy.low:.1f}, {accuracy.high:.1f}] {accuracy.what}",
            highlight=False,
        )
    wished = config.engine.backend
    until = "" if wished in (FIRST_BACKEND, engine.backend) else f", until it is ready on {wished}"
    console.print(
        f"engine:  {engine.name} {engine.engine_id[:12]} on {engine.backend}{until}", highlight=False
    )
    console.print(f"publish: {address}   control: {control}   (rtbci listen shows it)", highlight=False)


def _say_end(console: Console, report: Report) -> None:
    console.print(
        f"stopped after {report.duration_s:.0f} s: {report.n_predictions} predictions, {report.n_gaps} gaps, "
        f"{report.n_skipped} windows skipped, {report.n_overflow} samples lost, "
        f"{report.n_not_finite} samples not finite",
        highlight=False,
    )
