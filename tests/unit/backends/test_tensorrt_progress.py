from typing import Any

import pytest

from rtbci.backends.tensorrt_progress import BuildShares, progress_monitor


class Trt:
    class IProgressMonitor:
        pass


def test_shares_follow_steps_and_phases_within_them() -> None:
    shares = BuildShares()
    assert shares.start("all", None, 4) == 0.0
    assert shares.step("all", 0) == 0.25
    assert shares.start("inner", "all", 2) == 0.25
    assert shares.step("inner", 0) == pytest.approx(0.25 + 0.25 / 4)
    assert shares.finish("inner") == pytest.approx(0.375)
    assert shares.start("second", "all", 0) == pytest.approx(0.375)
    assert shares.finish("second") == pytest.approx(0.4375)
    assert shares.step("all", 1) == 0.5
    assert shares.finish("all") == 1.0


def test_share_never_goes_back_and_unknown_phases_do_no_harm() -> None:
    shares = BuildShares()
    shares.start("all", None, 2)
    shares.step("all", 1)
    assert shares.step("all", 0) == 1.0
    assert shares.step("nobody", 3) == shares.finish("nobody") == 1.0
    assert shares.start("late", "all", 1) == 1.0


def test_what_the_callback_raises_is_kept_and_ends_the_build() -> None:
    told: list[Any] = []

    def progress(name: str, share: float) -> None:
        told.append((name, share))
        if share == 0.5:
            raise RuntimeError("stop")

    monitor = progress_monitor(Trt, progress)
    monitor.phase_start("all", None, 2)
    assert not monitor.step_complete("all", 0)
    assert not monitor.step_complete("all", 1)
    monitor.phase_finish("all")
    assert str(monitor.failure) == "stop"
    assert told == [("all", 0.0), ("all", 0.5)]


def test_without_a_callback_the_build_goes_on() -> None:
    monitor = progress_monitor(Trt, None)
    monitor.phase_start("all", None, 1)
    assert monitor.step_complete("all", 0)
    assert monitor.failure is None


def test_a_step_of_many_phases_has_room_for_phases_within_them() -> None:
    shares = BuildShares()
    shares.start("build", None, 1)
    told: list[float] = []
    for _ in range(80):  # each takes half of what is left: nothing is left behind fifty
        told += [shares.start("layer", "build", 2), shares.start("tactic", "layer", 3)]
        told += [shares.step("tactic", 1), shares.finish("tactic"), shares.finish("layer")]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert shares.finish("build") == 1.0
