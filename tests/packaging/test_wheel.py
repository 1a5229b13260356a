"""Wheel, sdist, editable install and bare checkout all find the recipes; the wheel's only name is `rtbci`."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ("engines", "paradigms", "configs")


def tracked_recipes() -> set[str]:
    git = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *RECIPES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if git.returncode:
        pytest.skip("not a git checkout: which recipes are tracked cannot be told")
    return {line for line in git.stdout.splitlines() if (ROOT / line).is_file()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an sdist, and a wheel that was built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
def test_wheel_holds_only_rtbci_and_every_recipe(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rtbci"}
    shipped = {name.removeprefix("rtbci/_recipes/") for name in names if name.startswith("rtbci/_recipes/")}
    assert shipped == tracked_recipes()
    assert "rtbci/py.typed" in names
    folders = [path for name in ("static", "templates") for path in (ROOT / "rtbci").rglob(name)]
    assert len(folders) == 8
    for folder in (path.relative_to(ROOT) for path in folders):
        files = {path.name for path in (ROOT / folder).iterdir()}
        assert files == {name.rsplit("/", 1)[1] for name in names if name.startswith(f"{folder}/")}


@pytest.mark.slow
def test_sdist_holds_what_a_developer_needs(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert tracked_recipes() <= names
    assert {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "tests/packaging/test_wheel.py",
        "tools/dev.py",
        "examples/game/README.md",
        "examples/game/world.py",
        "examples/feedback_bar.py",
        "clients/python/rtbci_listen.py",
        "clients/node/package.json",
        "docs/clients/streams/motor_imagery.jsonl",
    } <= names


@pytest.mark.slow
def test_installed_wheel_finds_its_recipes(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import rtbci, sys; from rtbci.recipes import list_recipes, recipes_root\n"
        "print(recipes_root()); print(list_recipes('paradigms'), list_recipes('engines'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "rtbci" / "_recipes") in done.stdout
    assert "motor_imagery" in done.stdout
    assert "dare_nano" in done.stdout


def test_checkout_finds_its_recipes() -> None:
    from rtbci.recipes import list_recipes, recipes_root

    assert (recipes_root() / "paradigms" / "motor_imagery" / "recipe.toml").is_file()
    assert "motor_imagery" in list_recipes("paradigms")


def test_nothing_in_the_package_names_a_recipe() -> None:
    """Recipes name things in rtbci, not the other way round; the defaults a user can change are the exception."""
    allowed = {"config.py", "cli.py", "decoder.py", "demo.py", "offline.py", "profile.py"}
    for path in (ROOT / "rtbci").rglob("*.py"):
        if path.name in allowed or "amp" in path.parts:
            continue
        code = "\n".join(
            line.split("#")[0] for line in path.read_text().splitlines() if "rtbci run" not in line
        )
        assert '"motor_imagery"' not in code, path
        assert '"dare_nano"' not in code, path
