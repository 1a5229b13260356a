"""The live page beside a demo, where it is asked for."""

import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack

from rich.console import Console

from rtbci.config import RunConfig
from rtbci.publish.control import Control
from rtbci.publish.zmq_publisher import Publisher
from rtbci.runtime.news import News

__all__ = ["DemoPage"]


class DemoPage:
    """Starts the page's process and the control socket that it needs; nothing where the configuration asks for none.

    Parameters
    ----------
    config : RunConfig
    publisher : Publisher
        What the page subscribes to.
    stack : ExitStack
        Ends both.

    Attributes
    ----------
    control : Control or None
        For the run.
    """

    def __init__(self, config: RunConfig, publisher: Publisher, stack: ExitStack) -> None:
        self.control: Control | None = None
        self._page = None
        if config.monitor.enabled:
            from rtbci.commands.page_process import PageProcess

            self.control = stack.enter_context(Control("tcp://127.0.0.1:0"))
            self._page = stack.enter_context(
                PageProcess(config.monitor, publisher.address, self.control.address)
            )

    def news(self) -> Sequence[News]:
        """What has become of the page since the last call; see `PageProcess.news`."""
        return () if self._page is None else self._page.news()

    def show(self, console: Console, opens: bool) -> None:
        """Say where it is, and open it in the browser where that is asked for."""
        if self._page is not None:
            url = self._page.url
            console.print(f"live page: {url}", highlight=False)
            if opens:
                webbrowser.open(url)
