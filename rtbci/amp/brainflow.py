"""Every board that BrainFlow knows, as a source; needs the extra ``rtbci[brainflow]``."""

import difflib
import importlib
import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from rtbci.clock import Clock, now, utc_now
from rtbci.errors import ConfigError, MissingPackageError, StreamError, StreamLostError
from rtbci.installing import pip_extra
from rtbci.stream.source import Channel, Chunk, FloatArray, Marker, Source, StreamInfo

__all__ = ["BrainFlowAmp"]

BUFFER_SAMPLES = 450_000
POLL_S = 0.005
SILENT_S = 5.0
"""A board that sends nothing for this long is lost."""
SET_S = 0.5
"""A calendar that is off by more at once was set: time servers move it by far less."""


class BrainFlowAmp(Source):
    """A BrainFlow board (a `rtbci.stream.source.Source`): its EEG channels, in microvolts.

    Stamps are the board's own (the host's time when BrainFlow received the packet), moved to the LSL
    clock by the offset between both clocks at `open`, and anew when the calendar is set. Markers inserted through BrainFlow come as text.

    Parameters
    ----------
    board : str or int
        Name (``"cyton"``, ``"CYTON_BOARD"``) or BrainFlow's number.
    params : mapping
        Of BrainFlow's input parameters: ``serial_port``, ``mac_address``, ``ip_address``, ...
    clock : Clock
        Seconds of the local LSL clock.
    name : str
        Of the stream; empty: the board's, behind ``rtbci-``.

    Raises
    ------
    MissingPackageError
        When BrainFlow is not installed.
    ConfigError
        When there is no such board or parameter, or the board has no EEG channels.
    """

    def __init__(
        self,
        board: str | int,
        params: Mapping[str, str | int] | None = None,
        clock: Clock = now,
        *,
        name: str = "",
    ) -> None:
        self._shim = _shim()
        self._id = _board_id(self._shim, board)
        self._params = _input_params(self._shim, params or {})
        self._clock = clock
        self._board: Any = None
        self._markers: list[Marker] = []
        describe = self._shim.BoardShim
        try:
            self._description: dict[str, Any] = describe.get_board_descr(self._id)
        except self._shim.BrainFlowError as error:
            raise ConfigError(
                f"BrainFlow board {board!r}: BrainFlow cannot describe it ({error}); need a real board"
            ) from error
        if not self._description.get("eeg_channels"):
            raise ConfigError(
                f"BrainFlow board {board!r}: has no EEG channels, need a board that measures EEG"
            )
        self._info = self._describe(name)

    def _describe(self, stream: str) -> StreamInfo:
        rows, name = self._description["eeg_channels"], str(self._description["name"])
        labels = [label.strip() for label in str(self._description.get("eeg_names", "")).split(",")]
        if len(labels) != len(rows):  # boards whose electrodes are placed freely
            labels = [f"CH{i + 1}" for i in range(len(rows))]
        which = "".join(
            str(getattr(self._params, key)) for key in ("serial_number", "mac_address", "serial_port")
        )
        return StreamInfo(
            name=stream or f"rtbci-{name}",
            source_id=f"rtbci-brainflow-{self._id}{'-' + which if which else ''}",
            rate_hz=float(self._description["sampling_rate"]),
            channels=tuple(Channel(label, "microvolts", "EEG") for label in labels),
            manufacturer=f"{name} (BrainFlow)",
        )

    @property
    def info(self) -> StreamInfo:
        """Metadata of the board's stream."""
        return self._info

    def open(self) -> None:
        """Connect to the board and start it.

        Raises
        ------
        StreamError
            With BrainFlow's reason, when the board does not answer.
        """
        if self._board is not None:
            return
        self._shim.BoardShim.disable_board_logger()
        board = self._shim.BoardShim(self._id, self._params)
        try:
            board.prepare_session()
            board.start_stream(BUFFER_SAMPLES)
        except self._shim.BrainFlowError as error:
            if board.is_prepared():
                board.release_session()
            raise StreamError(
                f"BrainFlow {self.info.name!r}: does not start ({error}); "
                "check that it is on, charged and free, and its parameters "
                "(serial_port, mac_address, ip_address)"
            ) from error
        self._board = board
        # BrainFlow stamps with calendar time
        self._to_lsl_s = self._clock() - utc_now().timestamp()
        self._heard_lsl = self._clock()

    def close(self) -> None:
        """Stop the board and let go of it."""
        board, self._board = self._board, None
        if board is None:
            return
        try:
            board.stop_stream()
        except self._shim.BrainFlowError:
            pass  # it has stopped by itself (unplugged); the session is released all the same
        finally:
            board.release_session()

    def pull(self, timeout_s: float) -> Chunk:
        """Return all samples that are there; wait for the first.

        Raises
        ------
        StreamLostError
            When the board is not open, or has been silent for 5 s.
        """
        until = self._clock() + timeout_s
        while True:
            if self._board is None:
                raise StreamLostError(f"BrainFlow {self.info.name!r}: is closed; open it before pulling")
            table = self._board.get_board_data()
            t_lsl = self._clock()
            if table.shape[1]:
                self._heard_lsl = t_lsl
                return self._chunk(table, t_lsl)
            if t_lsl - self._heard_lsl > SILENT_S:
                raise StreamLostError(
                    f"BrainFlow {self.info.name!r}: silent for {SILENT_S:g} s; "
                    "check battery, distance and cable"
                )
            if t_lsl >= until:
                return Chunk(np.empty((0, self.info.n_channels)), np.empty(0))
            time.sleep(POLL_S)

    def _chunk(self, table: Any, t_now: float) -> Chunk:
        d = self._description
        t_lsl = self._on_lsl(np.asarray(table[d["timestamp_channel"]], np.float64), t_now)
        if "marker_channel" in d:
            codes = table[d["marker_channel"]]
            self._markers += [Marker(float(t_lsl[i]), f"{codes[i]:g}") for i in np.flatnonzero(codes)]
        return Chunk(np.ascontiguousarray(table[d["eeg_channels"]].T, np.float64), t_lsl)

    def _on_lsl(self, calendar_s: FloatArray, t_now: float) -> FloatArray:
        """Stamps of the LSL clock, from those of the calendar; when somebody has set the calendar, samples go on as before."""
        t_lsl = calendar_s + self._to_lsl_s
        to_lsl_s = t_now - utc_now().timestamp()
        if abs(to_lsl_s - self._to_lsl_s) < SET_S:
            return t_lsl
        self._to_lsl_s, t_set = to_lsl_s, calendar_s + to_lsl_s
        # All are of the moments before now: those that were stamped before it was set fit by the old difference.
        return np.where(np.abs(t_set - t_now) < np.abs(t_lsl - t_now), t_set, t_lsl)

    def pull_markers(self) -> list[Marker]:
        """Return the markers that came since the last call."""
        markers, self._markers = self._markers, []
        return markers


def _shim() -> Any:
    """Import BrainFlow; it takes about half a second."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)
            board_shim: Any = importlib.import_module("brainflow.board_shim")
            # loads the native library, and pkg_resources with it
            board_shim.BoardControllerDLL.get_instance()
    except ImportError as error:
        raise MissingPackageError(
            f"BrainFlow boards: package {error.name!r} is not installed, need brainflow; "
            f"{pip_extra('brainflow')}"
        ) from error
    return board_shim


def _spoken(name: str) -> str:
    return name.removesuffix("_BOARD").lower().replace("_", "-")


def _board_id(shim: Any, board: str | int) -> int:
    members = shim.BoardIds.__members__
    known = {_spoken(name): int(member.value) for name, member in members.items() if name != "NO_BOARD"}
    text = str(board).strip()
    if text.lstrip("-").isdigit() and int(text) in known.values():
        return int(text)
    name = _spoken(text.upper().replace("-", "_").replace(" ", "_"))
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    near += [other for other in known if name and name in other and other not in near]
    hint = f"did you mean {', '.join(near[:5])}?" if near else f"need one of {', '.join(sorted(known))}"
    raise ConfigError(f"BrainFlow board {board!r}: there is no such board; {hint}")


def _input_params(shim: Any, params: Mapping[str, str | int]) -> Any:
    made = shim.BrainFlowInputParams()
    for key, value in params.items():
        if key not in vars(made):
            near = difflib.get_close_matches(key, vars(made), n=1, cutoff=0.4)
            raise ConfigError(
                f"BrainFlow parameter {key!r}: there is no such parameter; "
                + (f"did you mean {near[0]}?" if near else f"need one of {', '.join(vars(made))}")
            )
        usual = getattr(made, key)
        try:
            setattr(made, key, type(usual)(value))
        except ValueError as error:
            raise ConfigError(f"BrainFlow parameter {key!r}: is {value!r}, need a whole number") from error
    return made
