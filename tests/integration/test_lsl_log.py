"""What liblsl itself writes to the terminal of an rtbci command; each in a process of its own, as liblsl is loaded once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.lsl_outlets import unique

pytestmark = pytest.mark.net

A_STREAM_ENDS = """
import sys
from rtbci.stream.lsl_log import quiet_liblsl
assert quiet_liblsl([])
import pylsl
name = sys.argv[1]
outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, pylsl.cf_string, name))
inlet = pylsl.StreamInlet(pylsl.resolve_byprop("source_id", name, 1, 10)[0], recover=False)
inlet.open_stream(10)
outlet.push_sample(["here"])
assert inlet.pull_sample(10)[0] == ["here"]
del outlet
try:
    inlet.pull_sample(10)
except pylsl.util.LostError:
    print("lost")
"""


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no path to a pipe on this system")
def test_a_stream_that_ends_is_no_error_of_liblsl() -> None:
    env = {name: value for name, value in os.environ.items() if name != "LSLAPICFG"}
    done = subprocess.run(
        [sys.executable, "-c", A_STREAM_ENDS, unique("ends")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=env,
    )
    assert (done.stdout, done.stderr) == ("lost\n", "")
