"""The files of a page, and those that all pages share."""

import mimetypes
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from rtbci.web.guarding import refuse

__all__ = ["StaticPages", "static_mounts"]

TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
"""What browsers insist on; the system's own table may say something else."""
INDEX = "index.html"


class StaticPages:
    """Files of one folder, read once and served from memory; an ASGI application.

    A page has ten files of a few kilobytes. Reading each in a thread when it is asked for takes as long as the thread waits for its turn,
    which beside a decoder that comes first can be half a second.

    Parameters
    ----------
    folder : Path
    index : bool
        Whether ``/`` is ``index.html``.
    """

    def __init__(self, folder: Path, *, index: bool = False) -> None:
        self._index = index
        self._found = {
            path.name: Response(path.read_bytes(), media_type=_type_of(path))
            for path in sorted(folder.iterdir())
            if path.is_file()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see the ASGI specification."""
        if scope["type"] == "http":
            await self._answer(scope)(scope, receive, send)
        else:
            await refuse(scope, send)

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return Response(status_code=405, headers={"allow": "GET, HEAD"})
        path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
        name = path.removeprefix("/") or (INDEX if self._index else "")
        return self._found.get(name) or Response("not found\n", status_code=404, media_type="text/plain")


def static_mounts(package: str, prefix: str = "") -> list[Mount]:
    """Routes to the folder ``static`` of a package, and below ``shared/`` to that of `rtbci.web`; they come last.

    Parameters
    ----------
    package : str
    prefix : str
        First part of every path, with its slash.
    """
    shared = StaticPages(Path(str(files("rtbci.web") / "static")))
    own = StaticPages(Path(str(files(package) / "static")), index=True)
    return [Mount(f"{prefix}/shared", shared), Mount(prefix or "/", own)]


def _type_of(path: Path) -> str:
    return TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
