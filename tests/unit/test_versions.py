from importlib.metadata import version

from rtbci.versions import versions_of


def test_versions_of_what_is_installed_in_the_order_asked_for() -> None:
    found = versions_of(["scipy", "no-such-package", "numpy"])
    assert list(found.items()) == [("scipy", version("scipy")), ("numpy", version("numpy"))]
    assert versions_of([]) == {}
