"""`rtbci run`: find the stream, decode, publish."""

import shlex
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from rtbci.commands.checking import check_run
from rtbci.commands.marker_news import MarkerNews
from rtbci.commands.options import teller_of
from rtbci.commands.other_streams import OtherStreams
from rtbci.commands.recording import begin_recording, check_recorded, say_recording
from rtbci.commands.resuming import profile_to_go_on, say_resumed, take_up
from rtbci.commands.run_end import telling_the_end
from rtbci.commands.run_sockets import RunSockets, open_sockets
from rtbci.commands.status_line import StatusLine
from rtbci.commands.stopping import stop_on_signals
from rtbci.config import RunConfig
from rtbci.listing import counted
from rtbci.memory import share_arena
from rtbci.probe.profile import Profile
from rtbci.publish.sink import Sink
from rtbci.runtime.configured import decoder_of, recipe_of
from rtbci.runtime.decoder import Decoder
from rtbci.runtime.engine_change import EngineChange
from rtbci.runtime.engine_opener import FIRST_BACKEND
from rtbci.runtime.live import LiveRun, SourceFactory
from rtbci.runtime.parts import POPULATION
from rtbci.runtime.plugin_watch import plugin_of, watch_plugins
from rtbci.runtime.profile_watch import ProfileWatch
from rtbci.runtime.profiles import find_profile, profiles_root
from rtbci.runtime.signal_tap import SignalOffer
from rtbci.runtime.telemetry import Report, hello_of
from rtbci.stream.lsl import LslSource
from rtbci.stream.lsl_resolve import predicate_of
from rtbci.stream.marker_choice import SeenMarkers
from rtbci.stream.source import Source, StreamInfo

if TYPE_CHECKING:
    from rtbci.commands.page_process import PageProcess
    from rtbci.recipes import ParadigmRecipe
    from rtbci.record.resume import Unfinished

__all__ = ["lsl_factory", "run"]

RETRY_TIMEOUT_S = 2.0
SWITCH_S = 0.0005
"""A thread that runs Python gives way after so long to one that waits, as the decoder's; Python's own limit is 5 ms."""
LOOK_S = 0.1
PATIENCE_S = 5.0
"""A second Ctrl-C interrupts a run that has not begun to end by then; an end takes less than two seconds."""


def run(config: RunConfig, console: Console, resume: Path | None = None) -> Report:
    """Run until Ctrl-C, a client's stop, or the end of the duration.

    Parameters
    ----------
    config : RunConfig
        Checked settings.
    console : Console
        Where to say what happens (standard error, so that pipes stay clean).
    resume : Path, optional
        Folder of a session to go on with; `config` is its own.

    Raises
    ------
    RecordingError
        At the end, when not all of it was recorded.
    RtbciError
        What keeps it from running.
    """
    share_arena()
    if resume is None:
        check_run(config)
    with stop_on_signals() as stop, telling_the_end(console) as end, ExitStack() as stack:
        stack.callback(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(SWITCH_S)
        unfinished = None if resume is None else take_up(resume, stack, console)
        # Addresses first: a port that is taken is told before anything slow is loaded.
        sockets = open_sockets(config.publish, stack)
        publisher, control = sockets.publisher, sockets.control
        page = _start_page(config, console, sockets, stack)
        recipe = recipe_of(config)
        # Before the profile is looked for: one that appears from here on is not missed.
        watch = ProfileWatch(profiles_root(recipe.name), config.user) if config.follow else None
        decoder = stack.enter_context(decoder_of(config, recipe, _profile_of(config, recipe, unfinished)))
        change = _begin_change(config, decoder, stack)
        _introduce(console, config, decoder, publisher.address, control.address)
        sockets.say(console)
        if change is not None and config.engine.wait:
            _wait_for(change, console, stop)
        offer = SignalOffer(publisher, config.stream.unit, lambda: decoder.channel_map)
        sinks = [publisher, offer, *_outlets(config, decoder), _status_line(decoder, console, stack)]
        recording = begin_recording(config, decoder, stack, unfinished)
        say_recording(console, recording.recorder)
        if unfinished is not None:
            say_resumed(console, unfinished)
        markers, other_streams = MarkerNews(), OtherStreams()
        beside = () if page is None else (page.news,)
        live = LiveRun(
            config,
            decoder,
            offer.factory(recording.tapped(lsl_factory(config, markers.tell, other_streams.tell))),
            [*sinks, *recording.sinks],
            control,
            watch=watch,
            change=watch_plugins(decoder, change),
            news=sockets.news_beside(recording.news, markers.news, other_streams.news, *beside),
            journal=recording.journal,
        )
        end.begin(live.report, sockets, recording.recorder)
        stop.be_patient(PATIENCE_S)
        try:
            report = live.run(stop)
        finally:
            stop.hold()
    if recording.recorder is not None:
        check_recorded(recording.recorder.written)
    return report


def _profile_of(
    config: RunConfig, recipe: "ParadigmRecipe", unfinished: "Unfinished | None"
) -> Profile | Path | None:
    if unfinished is not None:
        return profile_to_go_on(unfinished, recipe)
    return find_profile(recipe.name, config.profile, config.user)


def _outlets(config: RunConfig, decoder: Decoder) -> list[Sink]:
    if not config.publish.lsl_outlet:
        return []
    from rtbci.publish.lsl_outlet import LslOutlet

    return [LslOutlet(hello_of(decoder), decisions=True)]


def _status_line(decoder: Decoder, console: Console, stack: ExitStack) -> StatusLine:
    window = decoder.recipe.window
    line = StatusLine(console, hop_s=window.hop_s if window.policy == "sliding" else 0.0)
    stack.callback(line.close)
    return line


def _start_page(
    config: RunConfig, console: Console, sockets: RunSockets, stack: ExitStack
) -> "PageProcess | None":
    """Start the live page, where it is wished for; it loads while the decoder does, and is told when it is there."""
    if not config.monitor.enabled:
        return None
    from rtbci.commands.page_process import PageProcess

    def say_where(url: str) -> None:
        console.print(f"page:    {url}", markup=False, highlight=False)

    publish, control = sockets.publisher.address, sockets.control.address
    page = PageProcess(config.monitor, publish, control, sockets.key_flags, on_up=say_where)
    return stack.enter_context(page)


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


def lsl_factory(
    config: RunConfig,
    tell_markers: Callable[[SeenMarkers], None] | None = None,
    tell_other: Callable[[StreamInfo, StreamInfo], None] | None = None,
) -> SourceFactory:
    """Make the function that makes the LSL source: by configuration first, by `source_id` after a loss.

    `tell_markers` is told which marker streams are read and which are not, `tell_other` of a stream that was lost and one that has
    its name and another source id; see `rtbci.stream.lsl.LslSource`.
    """
    stream = config.stream
    markers = {"auto": "", "none": None}.get(stream.markers, stream.markers)
    predicate = predicate_of(stream.name)

    def make(lost: StreamInfo | None) -> Source:
        if lost is not None:
            # By its name too: a program may give all its streams the same source id, as the OpenBCI GUI does.
            return LslSource(
                name=lost.name,
                source_id=lost.source_id,
                predicate=predicate,
                timeout_s=RETRY_TIMEOUT_S,
                markers=markers,
                known_host=lost.hostname,
                tell_markers=tell_markers,
                tell_other=None if tell_other is None else partial(tell_other, lost),
                labels=stream.labels,
            )
        return LslSource(
            name="" if predicate else stream.name,
            predicate=predicate,
            type="" if stream.name or stream.source_id else stream.type,
            source_id=stream.source_id,
            timeout_s=RETRY_TIMEOUT_S if stream.wait else stream.timeout_s,
            markers=markers,
            tell_markers=tell_markers,
            labels=stream.labels,
        )

    return make


def _introduce(console: Console, config: RunConfig, decoder: Decoder, address: str, control: str) -> None:
    profile = decoder.profile
    engine = decoder.engine_ref
    if profile is None:
        console.print("decoder: the engine's own classes", highlight=False)
    elif profile.user == POPULATION:
        asked = config.user != RunConfig().user and not config.profile
        nobody = f"; '{config.user}' has no profile of it yet" if asked else ""
        console.print(
            f"decoder: {decoder.recipe.name}, population decoder (no calibration{nobody})", highlight=False
        )
    elif profile.generation == 0:  # one that is kept with no user's: of a file, made by whatever command
        fitted = f"fitted on {counted(profile.n_trials, 'trial')}" if profile.n_trials else "no calibration"
        teller_of(console)(
            f"decoder: {decoder.recipe.name}, profile of {profile.user} at {config.profile} ({fitted})"
        )
    else:
        console.print(
            f"decoder: {decoder.recipe.name}, profile of {profile.user}, generation {profile.generation}",
            highlight=False,
        )
    if profile is not None:
        _say_what_to_expect(console, config, decoder, profile)
    wished = config.engine.backend
    until = "" if wished in (FIRST_BACKEND, engine.backend) else f", until it is ready on {wished}"
    used = f"{engine.name} {engine.id[:12]} on {engine.backend}{until}" if engine.name else "none needed"
    console.print(f"engine:  {used}", highlight=False)
    for branch, session in decoder.sessions.items():
        if plugin := plugin_of(session):
            console.print(f"plug-in: {plugin}, in branch {branch}", highlight=False, markup=False)
    console.print(f"publish: {address}   control: {control}   (rtbci listen shows it)", highlight=False)


def _say_what_to_expect(console: Console, config: RunConfig, decoder: Decoder, profile: Profile) -> None:
    """How accurate it was, how sure it must be to decide, and where its limits are told; first of all, whether it is for others."""
    told, policy = teller_of(console), decoder.decision
    measured = profile.accuracy_in_words
    if profile.is_of_one_person:
        user = shlex.quote(config.user) if config.user != RunConfig().user else "NAME"
        told(
            f"first:   rtbci calibrate --paradigm {decoder.recipe.option} --user {user}; this decoder was fitted on one person, "
            "and how it does on others was never measured"
        )
    told(f"expect:  {measured if profile.accuracy else f'accuracy {measured}'}")
    told(
        f"decides: at probability {policy.threshold:g}, held for {policy.dwell_s:g} s (of the {decoder.decision_from})"
    )
    card = decoder.recipe.folder / "CARD.md"
    if profile.user == POPULATION and card.is_file():
        told(f"limits:  {card}")
