"""A headless Chromium that a test drives over its debugging protocol: load a page, press keys, take pictures."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

__all__ = ["BROWSER", "Chromium"]

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
START_S = 30.0
KEYS = {" ": ("Space", 32, " "), "Enter": ("Enter", 13, "\r"), "t": ("KeyT", 84, "t")}


class Chromium:
    """One browser with one page.

    Parameters
    ----------
    url : str
    folder : Path
        For the browser's own files.
    width, height : int
        Of the page, in CSS pixels.
    """

    def __init__(self, url: str, folder: Path, width: int = 1280, height: int = 800) -> None:
        assert BROWSER is not None
        command = [
            *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
            *(
                f"--user-data-dir={folder}",
                "--no-first-run",
                "--disable-background-networking",
                "about:blank",
            ),
        ]
        homes = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | homes
        )
        port = self._port(folder / "DevToolsActivePort")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=START_S) as answer:
            target = next(one for one in json.load(answer) if one["type"] == "page")
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None)
        )
        self._i_call = 0
        self.resize(width, height)
        self.load(url)

    def load(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def resize(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def press(self, key: str) -> None:
        """Press and release a key."""
        code, number, text = KEYS[key]
        about = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 15.0) -> None:
        """Until an expression is true."""
        end = time.monotonic() + timeout_s
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the debugging protocol."""
        self._i_call += 1
        self._socket.send(json.dumps({"id": self._i_call, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=START_S))
            if answer.get("id") == self._i_call:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])

    def close(self) -> None:
        """End the browser."""
        self._open.close()
        self._process.terminate()
        self._process.wait(10.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _port(self, path: Path) -> int:
        end = time.monotonic() + START_S
        while not (path.is_file() and path.read_text().strip()):
            assert self._process.poll() is None, "the browser has ended"
            assert time.monotonic() < end, "the browser does not start"
            time.sleep(0.05)
        return int(path.read_text().split()[0])
