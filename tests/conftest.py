"""What holds for all tests: none depends on those before it, on the user's own files or on what runs beside it."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

START_STATES: dict[str, dict[str, Any]] = {}
"""States of the generators that modules of tests keep, by module and name, as they were after the import."""

MAKES_WAY = 10
"""Niceness of a process once it has run a test that is not of real time; it is not taken back, nor need it be: tests of
real time come first, all in one process (tests/spreading.py)."""


@pytest.fixture(scope="session", autouse=True)
def no_files_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Profiles and calibrations of whoever runs the tests are neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data_home")))
        yield


@pytest.fixture(autouse=True)
def random_numbers_from_the_start(request: pytest.FixtureRequest) -> None:
    """A module's generators give every test the same numbers, whatever ran before it."""
    for name, value in vars(request.module).items():
        if isinstance(value, np.random.Generator):
            generator = value.bit_generator
            start = START_STATES.setdefault(f"{request.module.__name__}.{name}", dict(generator.state))
            generator.state = start


@pytest.fixture(autouse=True)
def alone_with_the_clock(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Of tests marked `net` or `clock` never two at a time; says so where the spreading over processes fails.

    All others make way for them: their process, when it is one of several, gives its core away where one is asked for.
    """
    marked = any(request.node.get_closest_marker(name) for name in ("net", "clock"))
    is_one_of_several = os.name == "posix" and "PYTEST_XDIST_WORKER" in os.environ
    if is_one_of_several and not marked and os.nice(0) < MAKES_WAY:
        os.nice(MAKES_WAY - os.nice(0))
    if not marked or not is_one_of_several:
        yield
        return
    import fcntl

    with (tmp_path_factory.getbasetemp().parent / "real_time.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail("another process is in a test that is marked net or clock; see tests/spreading.py")
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
