import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rtbci import cli
from rtbci.backends.cache import EngineCache, engines_root
from rtbci.backends.gate import open_reference
from rtbci.backends.session import Session
from rtbci.commands import engine_check
from rtbci.errors import EngineError
from rtbci.installing import pip_extra
from rtbci.recipes import EngineRecipe, read_engine
from tests.engine_stand_ins import FakeCompiler, give_gpu, write_compilable

Call = Callable[..., tuple[object, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run `rtbci engine ARGUMENTS`; returns exit status, standard output and standard error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["rtbci", "engine", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        said = capsys.readouterr()
        return end.value.code, said.out, " ".join(said.err.split())

    return run


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_compilable(tmp_path / "tiny")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeCompiler]:
    return give_gpu(monkeypatch)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeCompiler]:
    return give_gpu(monkeypatch, None)


def fits(text: str) -> bool:
    """All lines but those with a folder, which is as long as it is."""
    return all(len(line.rstrip()) <= 80 for line in text.splitlines() if not line.startswith("cache: "))


def test_list(call: Call, no_gpu: dict[str, FakeCompiler]) -> None:
    no_gpu["tensorrt"].missing = True
    status, said, _ = call("list")
    assert status == 0
    lines = [line.split() for line in said.splitlines()]
    # Through a pipe a row is a line; see test_profile_output.py for terminals.
    (tensorrt,) = (line for line in said.splitlines() if line.startswith("tensorrt "))
    assert tensorrt.rstrip().endswith(f"is not installed; {pip_extra('tensorrt')}")
    assert ["dare_nano", "patch", "31", "x", "64,", "256", "Hz", "fp32", "fp16", "bf16", "0.4", "MB"] in lines
    assert ["torch", "cpu"] in [[line[0], line[-1]] for line in lines if line]
    flat = " ".join(said.split())
    assert f"is not installed; {pip_extra('tensorrt')}" in flat
    assert "tensorrt_rtx 1.0 builds for other computers; no GPU is visible" in flat
    assert "cache: empty" in flat
    data = json.loads(call("list", "--json")[1])
    assert {one["name"] for one in data["engines"]} >= {"dare_nano", "dare_light"}
    assert {one["backend"]: one["can_build"] for one in data["backends"]}["tensorrt_rtx"] is True
    assert data["cache"]["entries"] == []


def test_build_on_a_gpu(call: Call, tiny: Path, gpu: dict[str, FakeCompiler], tmp_path: Path) -> None:
    file = tmp_path / "engine.bin"
    status, said, told = call("build", tiny, "--precision", "fp16", "--out", file)
    assert status == 0, told
    assert "engine 'tiny' in fp16 for Test GPU by tensorrt 1.0 engine 'tiny': comparing" in told
    assert "built in " in said
    assert "it agrees with ONNX Runtime fp32" in said
    (kept,) = EngineCache().entries()
    assert (kept.folder / "engine.bin").read_bytes() == file.read_bytes()
    status, said, told = call("build", tiny, "--precision", "fp16", "--json")
    data = json.loads(said)
    assert (data["is_new"], data["entry"]["key"]["precision"], data["fault"]) == (False, "fp16", "")
    assert data["entry"]["sha256"] == data["check"]["engine_id"]
    assert gpu["tensorrt"].n_built == 1
    said = call("list")[1]
    assert "fp16 1" in " ".join(said.split())
    assert "passed" in said
    n_rows = len(json.loads(call("list", "--json")[1])["cache"]["entries"])
    table = said.partition("engine   back end")[2] or said.partition("engine  back end")[2]
    assert len(table.partition("cache:")[0].splitlines()) == 1 + n_rows  # a row is a line


def test_a_version_compatible_engine_may_run_its_own_code(
    call: Call, tiny: Path, gpu: dict[str, FakeCompiler]
) -> None:
    for flags in ((), ("--version-compatible",)):
        assert call("build", tiny, *flags)[0] == 0
    assert gpu["tensorrt"].host_code == [False, True]


def test_build_for_other_gpus(call: Call, no_gpu: dict[str, FakeCompiler]) -> None:
    status, said, told = call(
        "build", "dare_nano", "--backend", "tensorrt_rtx", "--precision", "fp16", "--target", "sm120,SM89"
    )
    assert status == 0, told
    assert "engine 'dare_nano' in fp16 for SM89, SM120 by tensorrt_rtx 1.0" in told
    assert "it was not run here" in said
    assert "computed step by step on this CPU, differs from the reference by " in said
    entries = json.loads(call("cache", "show", "--json")[1])["entries"]
    assert [(one["engine"], one["gate"]) for one in entries] == [("dare_nano", None)]
    assert entries[0]["entry"]["key"]["targets"] == ["SM89", "SM120"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 6, "no GPU is visible; look at nvidia-smi; or name GPUs of other computers with --target"),
        (["--precision", "bf16", "--target", "SM89"], 2, "is not one of its recipe's fp32, fp16"),
        (["--precision", "half"], 2, "no precision half, its recipe has fp32, fp16"),
        (["--backend", "openvino"], 2, "'openvino' needs no building; need one of tensorrt, tensorrt_rtx"),
        (["--batch", "2", "--target", "SM89"], 2, "batch of 2, need 1 to 1 (its recipe's max_batch)"),
        (["--target", "SM89", "--out", "/no/such/folder/e.bin"], 5, "cannot be written (No such file"),
    ],
)
def test_what_cannot_be_built(
    call: Call, tiny: Path, no_gpu: object, arguments: list[str], status: int, words: str
) -> None:
    code, _, told = call("build", tiny, *arguments)
    assert (code, words in told) == (status, True), told


def test_build_without_a_package(call: Call, tiny: Path, no_gpu: dict[str, FakeCompiler]) -> None:
    for fake in no_gpu.values():
        fake.missing = True
    status, _, told = call("build", tiny)
    assert status == 8
    assert "tensorrt: is not installed; pip install it; or tensorrt_rtx: is not installed" in told


def test_build_that_fails_the_gate_is_an_error(call: Call, tiny: Path, gpu: dict[str, FakeCompiler]) -> None:
    gpu["tensorrt"].change = lambda y: y * np.float32(1.5)
    status, _, told = call("build", tiny)
    assert status == 6
    assert "does not agree with ONNX Runtime fp32" in told
    assert "FAILED" in call("list")[1]


def test_build_that_cannot_be_kept_is_an_error(
    call: Call, tiny: Path, gpu: dict[str, FakeCompiler], tmp_path: Path
) -> None:
    (tmp_path / "user").write_text("no folder")
    status, _, told = call("build", tiny)
    assert status == 5
    assert "could not be kept" in told
    assert call("build", tiny, "--out", tmp_path / "e.bin")[0] == 0
    assert (tmp_path / "e.bin").stat().st_size > 0


def test_check_passes_and_fits(
    call: Call, tiny: Path, gpu: dict[str, FakeCompiler], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counted(recipe: EngineRecipe) -> Session:
        opened.append(recipe.name)
        return open_reference(recipe)

    monkeypatch.setattr(engine_check, "open_reference", counted)
    status, said, told = call("check", tiny)
    assert status == 0, said + told
    assert len(opened) == 1  # one reference for all of them
    assert "1 of 6: tiny on onnxruntime in fp32" in told
    assert "6 of 6: tiny on tensorrt_rtx in fp16" in told
    assert fits(said.partition("reference")[0]), said
    rows = [line.split() for line in said.splitlines() if line.startswith("tiny")]
    assert [(row[1], row[2], row[-1]) for row in rows] == [
        ("onnxruntime", "fp32", "passed"),
        ("openvino", "fp32", "passed"),
        ("tensorrt", "fp32", "passed"),
        ("tensorrt", "fp16", "passed"),
        ("tensorrt_rtx", "fp32", "passed"),
        ("tensorrt_rtx", "fp16", "passed"),
    ]
    assert "reference: ONNX Runtime fp32 (the recipe has no weights for torch)" in said


def test_check_fails_with_6_and_says_why(call: Call, tiny: Path, gpu: dict[str, FakeCompiler]) -> None:
    gpu["tensorrt_rtx"].change = lambda y: y * np.float32(1.5)
    gpu["tensorrt"].fault = EngineError("tensorrt: no such layer")
    status, said, _ = call("check", tiny, "--precision", "fp16")
    assert status == 6
    flat = " ".join(said.split())
    assert "FAILED tiny on tensorrt_rtx in fp16: noise: differs by" in flat
    assert "FAILED tiny on tensorrt in fp16: tensorrt: no such layer" in flat
    status, said, _ = call("check", tiny, "--backend", "tensorrt_rtx,onnxruntime", "--json")
    assert status == 6
    assert [(one["backend"], one["passed"]) for one in json.loads(said)] == [
        ("onnxruntime", True),
        ("tensorrt_rtx", False),
        ("tensorrt_rtx", False),
    ]


def test_check_takes_patterns() -> None:
    assert engine_check._named(["dare_*", "dare_nano", "my/engine"]) == [
        "dare_light",
        "dare_nano",
        "my/engine",
    ]
    assert "specmoe_mini" in engine_check._named([])


def test_check_of_a_back_end_that_is_named_and_not_there(
    call: Call, tiny: Path, no_gpu: dict[str, FakeCompiler]
) -> None:
    status, said, _ = call("check", tiny)
    assert status == 0
    assert "not checked: tensorrt: no GPU is visible" in said
    assert "not checked: torch: tiny has no weights for it" in said
    status, said, _ = call("check", tiny, "--backend", "tensorrt")
    said = " ".join(said.split())
    assert (status, said) == (
        6,
        "FAILED tiny on tensorrt in fp32, fp16: no GPU is visible; look at nvidia-smi",
    )
    no_gpu["tensorrt"].missing = True
    said = " ".join(call("check", tiny, "--backend", "tensorrt")[1].split())
    assert said == f"FAILED tiny on tensorrt in fp32, fp16: is not installed; {pip_extra('tensorrt')}"
    status, _, told = call("check", tiny, "--backend", "theano")
    assert (status, "no back end theano" in told) == (2, True)
    status, _, told = call("check", tiny, "--precision", "int8")
    assert (status, "nothing to check in int8" in told) == (2, True)


def test_check_without_openvino(
    call: Call, tiny: Path, no_gpu: dict[str, FakeCompiler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    recipe = tiny / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"fp16"', '"fp16", "bf16"'))
    status, said, told = call("check", tiny)
    assert status == 0, told
    assert "not checked: openvino: openvino is not installed" in " ".join(said.split())
    assert call("check", tiny, "--backend", "openvino")[0] == 6


def test_check_of_a_precision_that_this_processor_lacks(
    call: Call, no_gpu: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks = "this processor has none"
    monkeypatch.setattr(engine_check, "why_not", lambda _, precision: lacks * (precision == "bf16"))
    status, said, _ = call("check", "dare_nano", "--backend", "openvino")
    assert (status, "not checked: openvino: this processor has none" in said) == (0, True)
    status, said, _ = call("check", "dare_nano", "--backend", "openvino", "--precision", "bf16")
    assert (status, "FAILED dare_nano on openvino in bf16: this processor has none" in said) == (6, True)


def test_a_library_that_breaks_is_a_finding(
    call: Call, tiny: Path, no_gpu: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug in a library")

    monkeypatch.setattr(engine_check, "open_session", broken)
    status, said, _ = call("check", tiny, "--backend", "onnxruntime")
    assert status == 6
    assert "FAILED tiny on onnxruntime in fp32: RuntimeError: a bug in a library" in said


def test_cache_show_and_clear(call: Call, tiny: Path, gpu: dict[str, FakeCompiler]) -> None:
    call("build", tiny)
    call("build", tiny, "--precision", "fp16")
    broken = EngineCache().entries()[0].folder / "engine.bin"
    broken.write_bytes(b"short")
    status, said, _ = call("cache", "show")
    assert status == 0
    assert "broken" in said
    assert "has 5 bytes, need" in " ".join(said.split())
    assert "tiny" in said
    assert "passed" in said
    assert len(said.partition("cache:")[0].splitlines()) == 3, said  # a row is a line
    status, _, told = call("cache", "clear")
    assert (status, "2 engines in" in told, "give --yes" in told) == (2, True, True)
    status, said, _ = call("cache", "clear", "--yes")
    assert (status, said.startswith("removed 2 compiled engines")) == (0, True)
    assert EngineCache().entries() == []
    assert sorted(path.name for path in engines_root().iterdir()) == ["locks"]


def test_a_cache_that_cannot_be_cleared_says_so(
    call: Call, tiny: Path, gpu: dict[str, FakeCompiler], monkeypatch: pytest.MonkeyPatch
) -> None:
    call("build", tiny)

    def refused(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refused)
    status, said, told = call("cache", "clear", "--yes")
    assert (status, said.startswith("removed 0 compiled engines")) == (5, True)
    assert "cannot be removed (Read-only file system)" in told
    assert "1 engines in" in told


def test_an_engine_that_is_not_there(call: Call, no_gpu: object) -> None:
    for verb in ("build", "check"):
        status, _, told = call(verb, "no_such_engine")
        assert (status, "no recipe 'no_such_engine'" in told) == (2, True)


def test_bring_your_own_is_found_by_folder(tiny: Path) -> None:
    assert read_engine(str(tiny)).onnx_path.is_file()


def test_bench(call: Call, tiny: Path, gpu: dict[str, FakeCompiler], tmp_path: Path) -> None:
    quick = ("--rounds", "1", "--batches", "1", "--no-memory", "--backend", "onnxruntime,tensorrt")
    file, page = tmp_path / "bench.json", tmp_path / "bench.md"
    status, said, told = call("bench", tiny, *quick, "--out", file, "--markdown", page)
    assert status == 0, told
    assert fits(said), said
    assert "tensorrt fp16" in said
    (result,) = json.loads(file.read_text())
    assert [row["name"] for row in result["rows"]] == ["onnxruntime", "tensorrt fp32", "tensorrt fp16"]
    assert all(row["patch"]["p50_ms"] > 0 for row in result["rows"])
    assert page.read_text().startswith("| engine | back end |")
    assert "| tiny | tensorrt fp16 | " in page.read_text().partition("than torch.compile")[2]
    assert (result["gpu"]["name"], "Test GPU, SM89, driver for CUDA 13.0" in said) == ("Test GPU", True)
    assert "than torch" in said
    data = json.loads(call("bench", tiny, *quick, "--precision", "fp16", "--json")[1])
    assert [row["name"] for row in data[0]["rows"]] == ["onnxruntime", "tensorrt fp16"]


def test_bench_of_a_size_leaves_the_cache_alone(call: Call, gpu: dict[str, FakeCompiler]) -> None:
    quick = (
        "--rounds",
        "1",
        "--batches",
        "1,4",
        "--no-memory",
        "--backend",
        "tensorrt",
        "--precision",
        "fp32",
    )
    status, said, told = call("bench", "nano", *quick)
    assert status == 0, told
    assert "tensorrt fp32" in said
    assert EngineCache().entries() == []


def test_what_cannot_be_benched(call: Call, tiny: Path, no_gpu: object) -> None:
    quick = ("--rounds", "1", "--batches", "1", "--no-memory")
    status, said, _ = call("bench", tiny, *quick, "--backend", "onnxruntime,tensorrt", "--precision", "fp32")
    assert (status, "not measured: tensorrt fp32: cuda: no GPU is visible" in said) == (0, True)
    for arguments, code, words in (
        (("--backend", "theano"), 2, "no back end theano"),
        (("--backend", "onnxruntime", "--out", "/no/such/folder/x"), 5, "cannot be written"),
        (("--backend", "onnxruntime", "--batches", "0"), 2, "need whole numbers from 1 on"),
    ):
        status, _, told = call("bench", tiny, *quick, *arguments)
        assert (status, words in told) == (code, True), told
