from importlib.metadata import version

from rtbci.versions import installed_versions


def test_what_is_not_installed_is_left_out() -> None:
    assert installed_versions(["numpy", "no-such-package-of-ours"]) == {"numpy": version("numpy")}
    assert installed_versions([]) == {}
