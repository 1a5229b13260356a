"""A headless Chromium driven by Playwright: one for all tests, and for each of them a page of its own."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:  # whoever has no Playwright can still run the other tests of a module
    from playwright.async_api import Browser, Page, Playwright

__all__ = ["CHROMIUM", "Chromium", "Tab"]

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
T = TypeVar("T")
WAIT = """new Promise((done, fail) => {
  const end = performance.now() + TIMEOUT_MS;
  const look = () => {
    try {
      if (EXPRESSION) done(true); else if (performance.now() > end) done(false); else requestAnimationFrame(look);
    } catch (error) { fail(error); }
  };
  look();
})"""
"""Playwright's own `wait_for_function` evaluates texts in the page, which the pages' content security policy forbids."""


class Tab:
    """A page, to be looked at and played with from any thread.

    Attributes
    ----------
    errors : list of str
        What the page's scripts did not catch.
    """

    def __init__(self, page: "Page", do: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._page, self._do = page, do
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def load(self, url: str) -> None:
        """Go to an address, and wait for everything that the page loads."""
        self._do(self._page.goto(url))

    def reload(self) -> None:
        """Load the page again."""
        self._do(self._page.reload())

    def resize(self, width: int, height: int) -> None:
        """Give the page another size, in CSS pixels."""
        self._do(self._page.set_viewport_size({"width": width, "height": height}))

    def press(self, key: str) -> None:
        """Press and release a key, as `Space` or `m`."""
        self._do(self._page.keyboard.press(key))

    def click(self, selector: str) -> None:
        """Click an element, once it is there, is enabled, and nothing lies over it."""
        self._do(self._page.locator(selector).click())

    def point(self, selector: str, x: float, y: float) -> None:
        """Move the pointer to a place in an element, in CSS pixels from its upper left corner."""
        self._do(self._page.locator(selector).hover(position={"x": x, "y": y}))

    def fill(self, selector: str, text: str) -> None:
        """Write in a field."""
        self._do(self._page.locator(selector).fill(text))

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; that of a promise, once it is kept."""
        return self._do(self._page.evaluate(expression))

    def wait_for(self, expression: str, timeout_s: float = 30.0) -> None:
        """Until a JavaScript expression is true, looked at in every frame."""
        is_true = self.evaluate(
            WAIT.replace("EXPRESSION", expression).replace("TIMEOUT_MS", f"{1e3 * timeout_s}")
        )
        assert is_true, f"never true: {expression}; errors of the page: {self.errors}"

    def picture(self) -> bytes:
        """The page as PNG."""
        picture: bytes = self._do(self._page.screenshot())
        return picture


class Chromium:
    """The browser; Playwright has a thread to itself, so that tests may use asyncio and threads of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="browser")
        self._thread.start()
        try:
            self._playwright, self._browser = self._do(self._start())
        except BaseException:
            self._end_thread()
            raise

    @contextmanager
    def tab(self, url: str, width: int = 1280, height: int = 800) -> Iterator[Tab]:
        """Open a page that shares nothing with others; no script of it may fail in the end."""
        if not self._browser.is_connected():  # it crashed in another test
            self._browser = self._do(_launch(self._playwright))
        context = self._do(self._browser.new_context(viewport={"width": width, "height": height}))
        try:
            tab = Tab(self._do(context.new_page()), self._do)
            tab.load(url)
            yield tab
            assert not tab.errors, tab.errors
        finally:
            self._do(context.close())

    def close(self) -> None:
        """End the browser."""
        self._do(self._browser.close())
        self._do(self._playwright.stop())
        self._end_thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _start(self) -> "tuple[Playwright, Browser]":
        from playwright.async_api import async_playwright

        playwright = await async_playwright().start()
        try:
            return playwright, await _launch(playwright)
        except BaseException:
            await playwright.stop()
            raise

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _launch(playwright: "Playwright") -> "Browser":
    """A Chromium as Debian has it, which Playwright has not downloaded; its files are in a folder that goes with it."""
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
