import re
from importlib.resources import files
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="starlette is not installed: pip install 'rtbci[monitor]'")

from rtbci.web.static_files import static_mounts

PAGES = ("rtbci.calibrate.page", "rtbci.flicker.page", "rtbci.monitor", "rtbci.speller.page")


@pytest.mark.parametrize("package", PAGES)
def test_every_file_that_a_page_names_is_there(package: str) -> None:
    own, shared = Path(str(files(package))) / "static", Path(str(files("rtbci.web"))) / "static"
    page = (own / "index.html").read_text()
    scripts = "".join(path.read_text() for path in own.glob("*.js"))
    named = set(re.findall(r'(?:src|href)="([\w./]+)"', page))
    named |= set(re.findall(r'(?:from "\./|fetch\(")([\w./]+)"', scripts))
    assert "shared/icon.svg" in named
    assert named <= {path.name for path in own.iterdir()} | {
        f"shared/{path.name}" for path in shared.iterdir()
    }


def test_the_shared_files_come_before_those_of_the_page() -> None:
    assert [mount.path for mount in static_mounts("rtbci.monitor")] == ["/shared", ""]
    assert [mount.path for mount in static_mounts("rtbci.monitor", "/token")] == ["/token/shared", "/token"]
