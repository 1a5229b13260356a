"""What `rtbci run` loads, how much memory it takes, and the same for a run that decodes."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from rtbci.client import Client
from rtbci.publish.messages import Hello, Status
from tests.integration.live_runs import PATIENCE_S, SignalOutlet, rtbci_run
from tests.tiny import write_paradigm, write_tiny_profile

HEAVY = (
    "scipy",
    "torch",
    "mne",
    "pandas",
    "matplotlib",
    "braindecode",
    "sklearn",
    "onnx",
    "pyxdf",
    "brainflow",
)
MAX_RSS_MB = 160.0

LOADED = """
import json, sys
import rtbci.commands.run
from rtbci.recipes import read_paradigm
from rtbci.runtime.decoder import Decoder
from rtbci.stream.source import Channel, StreamInfo
import numpy as np

with Decoder(sys.argv[1]) as decoder:
    labels = sys.argv[2].split() or decoder.recipe.input.channels
    channels = tuple(Channel(label, "uV") for label in labels)
    decoder.open(StreamInfo("s", "s", 250.0, channels))
    rng = np.random.default_rng(0)
    verdicts = decoder.push(10.0 * rng.standard_normal((1000, len(channels))), np.arange(1000) / 250.0)
assert verdicts[-1].estimate.probs is not None
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    ("paradigm", "labels"), [("tiny", ""), ("motor_imagery", ""), ("motor_imagery", "Fz C3 Cz C4 Pz")]
)
def test_decoding_loads_nothing_heavy(paradigm: str, labels: str, tmp_path: Path) -> None:
    name = str(write_paradigm(tmp_path)) if paradigm == "tiny" else paradigm
    end = subprocess.run(
        [sys.executable, "-c", LOADED, name, labels], capture_output=True, text=True, timeout=60, check=False
    )
    assert end.returncode == 0, end.stderr
    assert not set(HEAVY) & set(json.loads(end.stdout))


def test_importing_rtbci_loads_nothing() -> None:
    script = "import sys, rtbci, rtbci.cli; print('numpy' in sys.modules, 'pylsl' in sys.modules)"
    end = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert end.stdout.split() == ["False", "False"]


@pytest.mark.net
@pytest.mark.parametrize("paradigm", ["tiny", "motor_imagery"])
def test_memory_of_a_run(paradigm: str, tmp_path: Path) -> None:
    from rtbci.recipes import read_paradigm

    name = str(write_paradigm(tmp_path)) if paradigm == "tiny" else paradigm
    with (
        SignalOutlet(labels=read_paradigm(name).input.channels) as outlet,
        rtbci_run("--paradigm", name, "--source-id", outlet.source_id) as run,
    ):
        run.wait_line("state: running")
        rss_mb = psutil.Process(run.popen.pid).memory_info().rss / 2**20
        n_threads = psutil.Process(run.popen.pid).num_threads()
        status, said = run.end()
    print(f"\n{paradigm}: {rss_mb:.0f} MB resident, {n_threads} threads")
    assert status == 0, said
    assert rss_mb < MAX_RSS_MB


@pytest.mark.net
def test_the_users_newest_profile_is_taken_and_said(tmp_path: Path) -> None:
    paradigm = write_paradigm(tmp_path / "tiny")
    # Found by the paradigm's name, however the paradigm was given.
    write_tiny_profile(tmp_path / "data" / "rtbci" / "profiles" / "tiny" / "ada" / "0001", paradigm)
    with (
        SignalOutlet() as outlet,
        rtbci_run(
            "--paradigm",
            paradigm,
            "--user",
            "ada",
            "--source-id",
            outlet.source_id,
            "--format",
            "msgpack",
            XDG_DATA_HOME=str(tmp_path / "data"),
        ) as run,
        Client(run.address, ("hello", "status"), timeout_s=PATIENCE_S) as client,
    ):
        run.wait_line("decoder: tiny, profile of ada, generation 1")
        run.wait_line("state: running")
        while not isinstance(client.receive(), Status):
            pass
        client.latest("hello")
        assert isinstance(client.hello, Hello)
        assert client.hello.profile.user == "ada"
        status, said = run.end()
    assert status == 0, said
