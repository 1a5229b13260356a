"""Linear algebra on one thread, in a program of the user's own; the commands say so to their process before numpy is loaded."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = ["limiter", "one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """While entered, and as a decorator, the BLAS libraries that are loaded use one thread.

    Matrices here are small: more of them wait for each other, which takes longer the busier the computer is.
    """
    with limiter()():
        yield


def limiter() -> Callable[[], AbstractContextManager[Any]]:
    """Make what is entered again and again for short: it costs microseconds, while finding the libraries costs milliseconds."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()
    return lambda: controller.limit(limits=1, user_api="blas")
