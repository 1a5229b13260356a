"""Whether this is Windows, asked where a call is made, so that a test can answer."""

import os

__all__ = ["is_windows"]


def is_windows() -> bool:
    """Whether the system is Windows; Linux and macOS are both POSIX, and differ in nothing that is asked here."""
    return os.name == "nt"
