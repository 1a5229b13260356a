"""What holds for all tests: none depends on those before it, on the user's own files or on what runs beside it."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci.backends.onnxruntime_api import NO_TELEMETRY
from rtbci.memory import settled

START_STATES: dict[str, dict[str, Any]] = {}
"""States of the generators that modules of tests keep, by module and name, as they were after the import."""

MAKES_WAY = 10
"""Niceness of a process once it has run a test that is not of real time; it is not taken back, nor need it be: tests of
real time come first, all in one process (tests/spreading.py)."""


def pytest_configure(config: pytest.Config) -> None:
    """LSL streams of the tests are found by this process and its children: by no other process of tests, nor by who else is on the network."""
    folder = tempfile.TemporaryDirectory(prefix="rtbci-tests-")
    config.add_cleanup(folder.cleanup)
    path = Path(folder.name) / "lsl_api.cfg"
    path.write_text(f"[lab]\nSessionID = {path.parent.name}\n[log]\nlevel = -3\n")
    os.environ["LSLAPICFG"] = str(path)  # read when liblsl is first asked for something
    os.environ.setdefault(NO_TELEMETRY, "1")  # some tests load ONNX Runtime by themselves


@pytest.fixture(scope="session", autouse=True)
def no_files_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Profiles and calibrations of whoever runs the tests are neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data_home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def settled_while_tests_run() -> Iterator[None]:
    """No run that a test makes collects garbage and freezes what is left, as it would in a process of its own."""
    with settled():
        yield


@pytest.fixture(scope="module", autouse=True)
def what_there_is_stays() -> None:
    """Modules, tests and libraries are not gone through in each collection: 0.3 s, which a run asks for every 15 s of its clock."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def random_numbers_from_the_start(request: pytest.FixtureRequest) -> None:
    """A module's generators give every test the same numbers, whatever ran before it."""
    for name, value in vars(request.module).items():
        if isinstance(value, np.random.Generator):
            generator = value.bit_generator
            start = START_STATES.setdefault(f"{request.module.__name__}.{name}", dict(generator.state))
            generator.state = start


@pytest.fixture(autouse=True)
def alone_in_its_group(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Of tests of one group never two at a time; says so where the spreading over processes fails (tests/spreading.py).

    Those of no group make way for them: their process, when it is one of several, gives its core away where one is asked for.
    """
    if os.name != "posix" or "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    from tests.spreading import GROUPS, scope_of

    group = scope_of(request.node.nodeid)
    if group not in GROUPS.values():
        if os.nice(0) < MAKES_WAY:
            os.nice(MAKES_WAY - os.nice(0))
        yield
        return
    import fcntl

    with (tmp_path_factory.getbasetemp().parent / f"{group}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"another process is in a test of the group '{group}'; see tests/spreading.py")
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a child that was forked may still have the file open


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In the processes of pytest-xdist: what takes long first."""
    if hasattr(config, "workerinput"):
        from tests.spreading import in_order

        items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whichever ``--dist`` is asked for: tests are spread by modules."""
    from tests.spreading import ByModule

    config.option.loadscopereorder = False  # by the number of tests, which says little of the time
    return ByModule(config, log)
