"""Judging many subjects at once: processes on this machine, or tasks of a Ray cluster."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from rtbci.errors import ConfigError, MissingPackageError, RtbciError
from rtbci.installing import pip_extra

__all__ = ["LOCAL", "in_processes", "on_ray"]

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

LOCAL = "local"
N_LOCAL_WORKERS = 2


def in_processes(
    judge: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], n_jobs: int
) -> Iterator[tuple[int, ResultT]]:
    """Run tasks in processes of their own; with one job in this process.

    Yields
    ------
    tuple of (int, result)
        Number of the task and what it gave, as they come.

    Raises
    ------
    ConfigError
        When `n_jobs` is below 1.
    RtbciError
        What a task raises; the others are not begun.
    """
    if n_jobs < 1:
        raise ConfigError(f"--jobs: got {n_jobs}, need 1 or more")
    if n_jobs == 1:
        for i, task in enumerate(tasks):
            yield i, judge(task)
        return
    # Spawned, not forked: ONNX Runtime and liblsl have threads of their own, which a fork would leave half alive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(n_jobs, len(tasks)), mp_context=context) as pool:
        numbers = {pool.submit(judge, task): i for i, task in enumerate(tasks)}
        try:
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def on_ray(
    judge: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], address: str
) -> Iterator[tuple[int, ResultT]]:
    """Run tasks on a Ray cluster; its machines must see the recordings and weights under the same paths.

    Parameters
    ----------
    judge, tasks
        As for `in_processes`.
    address : str
        Of a cluster that runs (``auto``, ``ray://host:10001``), or ``local`` for two workers on this machine.

    Raises
    ------
    MissingPackageError
        When ray is not installed.
    ConfigError
        When no cluster answers.
    RtbciError
        What a task raises.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingPackageError(
            f"--ray: ray is not installed, need it for a cluster; {pip_extra('ray')}, or use --jobs"
        ) from error
    _connect(ray, address)
    try:
        yield from _results(ray, judge, tasks)
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    if address == LOCAL:
        ray.init(
            num_cpus=N_LOCAL_WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"--ray: no cluster at '{address}' ({error}), need one that runs; start it with `ray start --head`, or "
            f"use --ray {LOCAL}"
        ) from error


def _results(
    ray: Any, judge: Callable[[TaskT], ResultT], tasks: Sequence[TaskT]
) -> Iterator[tuple[int, ResultT]]:
    # One thread each, as in the processes: sums in another order would give other last digits.
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    remote = ray.remote(judge).options(num_cpus=1, max_retries=1, runtime_env={"env_vars": threads})
    numbers = {remote.remote(task): i for i, task in enumerate(tasks)}
    waiting = list(numbers)
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=1)
        for reference in done:
            try:
                yield numbers[reference], ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                for left in waiting:
                    ray.cancel(left)
                if isinstance(error.cause, RtbciError):
                    raise error.cause from error
                raise
