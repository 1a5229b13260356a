import sys

import pytest

from rtbci.errors import MissingPackageError
from rtbci.web.needed import PACKAGES, need_page


def test_all_there() -> None:
    need_page("cue page", "calibrate", "use the terminal")


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_missing_is_named_with_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=rf"{name} is not installed.*install .*\[calibrate\]"):
        need_page("cue page", "calibrate", "use the terminal")
