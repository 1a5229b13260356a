"""`rtbci record` on LSL: an amplifier that goes, another one under its name, and the first one again."""

from pathlib import Path

import numpy as np
import pytest

from rtbci.loopback.child import RtbciProcess
from rtbci.record.sessions import list_sessions
from rtbci.record.signal import main_stream
from rtbci.record.xdf_format import SESSION_XDF
from rtbci.record.xdf_read import read_xdf_file
from tests.integration.live_runs import PATIENCE_S, SignalOutlet, wait_for

pytestmark = pytest.mark.net


def test_who_was_lost_is_recorded_again_and_nobody_else(tmp_path: Path) -> None:
    config = tmp_path / "quick.toml"
    config.write_text("[watch]\nstale_s = 0.3\nlost_s = 0.6\n")
    with SignalOutlet(scale=10.0) as first:
        given = [
            "--stream",
            first.name,
            "--markers",
            "none",
            "--folder",
            str(tmp_path),
            "--config",
            str(config),
        ]
        process = RtbciProcess(["record", *given])
        try:
            process.wait_line(f"stream found: {first.name}", PATIENCE_S)
            file = next(tmp_path.glob(f"*/{SESSION_XDF}"))
            wait_for(lambda: file.stat().st_size > 30_000, "a second of samples")
            first.close()
            process.wait_line("stream lost", PATIENCE_S)
            with SignalOutlet(name=first.name, seed=1) as other:
                said = process.wait_line("another stream has its name", PATIENCE_S)
                assert f"source id '{other.source_id}'" in said
                with SignalOutlet(name=first.name, source_id=first.source_id, seed=2) as again:
                    process.wait_line("stream is back", PATIENCE_S)
                    n_bytes = file.stat().st_size
                    wait_for(lambda: file.stat().st_size > n_bytes + 30_000, "another second")
                    status = process.end()
        finally:
            process.end()
    assert status == 0, process.said
    (session,) = list_sessions(tmp_path)
    signal = main_stream(read_xdf_file(session.folder / SESSION_XDF), "session")
    t, values = signal.t_s, np.asarray(signal.values)
    is_first = t < again.t0
    for outlet, here in ((first, is_first), (again, ~is_first)):
        assert here.sum() > 100
        i_first = outlet.i_first(values[here])
        np.testing.assert_array_equal(values[here], outlet.rows[i_first : i_first + here.sum()])
