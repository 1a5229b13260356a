"""What tests with real sockets, programs and browsers share."""

from collections.abc import Iterator

import pytest

from tests.integration.browser import CHROMIUM, Chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """A browser for all tests of this process."""
    if CHROMIUM is None:
        pytest.skip("no Chromium found: apt-get install chromium")
    pytest.importorskip("playwright", reason="Playwright is not installed: pip install playwright")
    with Chromium() as one:
        yield one
