"""kill -9 while profiles and trials are written: every one there is is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_10_kills_at_random_moments() -> None:
    tool = Path(__file__).parents[2] / "tools" / "kill_profiles.py"
    command = [sys.executable, str(tool), "--kills", "10", "--seed", "7"]
    end = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert end.returncode == 0, end.stdout + end.stderr
    result = json.loads(end.stdout)
    assert result["kills"] == 10
    assert result["n_generations"] > 0
