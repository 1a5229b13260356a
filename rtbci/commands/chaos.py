"""`rtbci chaos`: a stream that misbehaves as a scenario says."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from rtbci.chaos.flow import Injected
from rtbci.chaos.relay import ChaosRelay
from rtbci.chaos.scenario import list_scenarios, read_scenario
from rtbci.commands.stopping import stop_on_signals
from rtbci.errors import ConfigError, FileFormatError
from rtbci.publish.addresses import PUBLISH_ADDRESS
from rtbci.stream.source import Source

__all__ = ["Request", "chaos", "show_scenarios", "source_of"]


class Request(NamedTuple):
    """What the command line asks for; see `rtbci chaos --help`."""

    scenario: str
    source: str = "amp"
    name: str = "rtbci-chaos"
    seed: int | None = None
    duration_s: float | None = None
    log: Path | None = None
    consume: str | None = None


def chaos(request: Request, console: Console, out: Console) -> None:
    """Send the faulty stream until Ctrl-C; faults are told on `out`, one line of JSON each."""
    scenario = read_scenario(request.scenario)
    if request.seed is not None:
        scenario = scenario.model_copy(update={"seed": request.seed})
    source = source_of(request.source, scenario.seed, request.name)
    with ExitStack() as stack:
        tell = stack.enter_context(_Log(request.log, out)).tell
        relay = ChaosRelay(
            source,
            scenario,
            name=request.name,
            source_id=request.name,
            log=tell,
            consume=request.consume or PUBLISH_ADDRESS,
        )
        console.print(
            f"stream '{request.name}': {scenario.title}, seed {scenario.seed}, from {request.source}; Ctrl-C stops",
            markup=False,
            highlight=False,
        )
        relay.run(stack.enter_context(stop_on_signals()), request.duration_s)
    console.print("stopped", highlight=False)


def show_scenarios(out: Console) -> None:
    """Print the scenarios that come with rtbci, with what they promise."""
    table = Table("scenario", "what goes wrong", "what a runtime has to make of it")
    for name in list_scenarios():
        scenario = read_scenario(name)
        table.add_row(name, scenario.title, scenario.promise)
    out.print(table)


def source_of(text: str, seed: int, name: str = "") -> Source:
    """Make the stream without faults: the synthetic amplifier, a recording, or a live stream.

    Raises
    ------
    ConfigError
        When the live stream is the one that is to be offered.
    FileFormatError
        When the file holds no regular signal.
    """
    if text == "amp":
        from rtbci.amp.source import AmpSource
        from rtbci.amp.synthetic import DEFAULT_CHANNELS, SyntheticAmp

        return AmpSource(SyntheticAmp(DEFAULT_CHANNELS, seed=seed))
    if Path(text).exists() or Path(text).suffix:
        return _recording(Path(text))
    if text == name:
        raise ConfigError(f"chaos: --from and --name are both '{name}', need two names; give another --name")
    from rtbci.stream.lsl import LslSource
    from rtbci.stream.lsl_resolve import predicate_of

    predicate = predicate_of(text)
    return LslSource(name="" if predicate else text, predicate=predicate)


def _recording(path: Path) -> Source:
    from rtbci.replay.read import read_recordings
    from rtbci.stream.recording import RecordingSource

    recordings = [one for one in read_recordings(path) if one.n_samples]
    if not recordings:
        raise FileFormatError(f"{path}: holds no samples, need a recording; choose another file")
    first = next((one for one in recordings if one.info.type.upper() == "EEG"), recordings[0])
    return RecordingSource(
        first.info, first.data, first.markers, t_lsl=first.sample_times(), chunk=8, realtime=True
    )


class _Log:
    """Writes records to a file and to a console, each as one line of JSON, at once."""

    def __init__(self, path: Path | None, out: Console) -> None:
        self._path, self._out = path, out
        self._write: Callable[[str], object] = lambda _line: None

    def tell(self, record: Injected) -> None:
        """Write one."""
        line = msgspec.json.encode(record).decode()
        self._write(line + "\n")
        self._out.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> "_Log":
        if self._path is not None:
            try:
                self._file = self._path.open("w", encoding="utf-8", buffering=1)
            except OSError as error:
                raise ConfigError(
                    f"--log: {self._path} cannot be written ({error.strerror}); choose another file"
                ) from error
            self._write = self._file.write
        return self

    def __exit__(self, *exc: object) -> None:
        if self._path is not None:
            self._file.close()
