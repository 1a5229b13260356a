import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rtbci.encoder.checkpoint import read_checkpoint, read_metadata
from rtbci.encoder.pretraining import Losses
from rtbci.errors import ConfigError, FileFormatError, SignalError
from tests.pretraining_samples import LABELS, write_shards
from tools.pretrain import main
from tools.pretraining.batches import BatchSource
from tools.pretraining.journal import LOSSES_CSV, Journal
from tools.pretraining.processes import Processes, open_processes
from tools.pretraining.shards import read_index
from tools.pretraining.states import STATE
from tools.pretraining.training import Training, TrainSettings, train

ROOT = Path(__file__).resolve().parents[4]
ARGUMENTS = ["--steps", "6", "--batch", "4", "--window-s", "1", "--log-every", "1", "--save-every", "3"]
ALONE = Processes(0, 1, torch.device("cpu"))


class KilledError(Exception):
    """What stands for a kill."""


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    write_shards(tmp_path / "shards")
    return tmp_path / "shards"


def run(
    shards: Path,
    out: Path,
    after_step: Callable[[int], None] | None = None,
    until: int | None = None,
    **settings: object,
) -> Training:
    index = read_index(shards)
    values: dict[str, object] = {"steps": 6, "batch": 4, "window_s": 1.0, **settings}
    chosen = TrainSettings(**values)  # type: ignore[arg-type]
    out.mkdir(exist_ok=True)
    source = BatchSource(shards, index, batch=chosen.batch, n_samples=chosen.n_samples, seed=chosen.seed)
    training = Training(chosen, index, ALONE)
    journal = Journal(out, chosen.steps, 1, True, Console(quiet=True))
    train(
        training,
        source,
        out,
        ALONE,
        journal=journal,
        notes={"command": "test"},
        unit="mV",
        save_every=3,
        until=until,
        after_step=after_step,
    )
    return training


def rows(out: Path) -> list[dict[str, float]]:
    with (out / LOSSES_CSV).open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def same_files(one: Path, two: Path) -> None:
    a, b = load_file(one / STATE), load_file(two / STATE)
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name
    assert (one / LOSSES_CSV).read_bytes() == (two / LOSSES_CSV).read_bytes()
    for name in ("encoder.safetensors", "encoder_ema.safetensors"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.parametrize("killed_after", [1, 4])
def test_continuation_after_a_kill_is_bit_identical(shards: Path, tmp_path: Path, killed_after: int) -> None:
    def kill(n_done: int) -> None:
        if n_done == killed_after:
            raise KilledError

    run(shards, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(shards, tmp_path / "killed", kill)
    assert (tmp_path / "killed" / STATE).exists() == (killed_after >= 3)
    (tmp_path / "killed" / f".{STATE}.1").write_bytes(b"half a file")
    done: list[int] = []
    run(shards, tmp_path / "killed", done.append)
    assert done == list(range(4 if killed_after >= 3 else 1, 7))
    same_files(tmp_path / "whole", tmp_path / "killed")
    assert [row["step"] for row in rows(tmp_path / "killed")] == [1, 2, 3, 4, 5, 6]


def test_same_seed_same_run_and_another_seed_another(shards: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        run(shards, tmp_path / name, seed=seed)
    same_files(tmp_path / "one", tmp_path / "two")
    assert rows(tmp_path / "one") != rows(tmp_path / "other")


def test_a_finished_training_only_writes_its_encoders_again(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out")
    before = (tmp_path / "out" / STATE).read_bytes()
    (tmp_path / "out" / "encoder.safetensors").unlink()
    done: list[int] = []
    run(shards, tmp_path / "out", done.append)
    assert done == []
    assert (tmp_path / "out" / STATE).read_bytes() == before
    read_checkpoint(tmp_path / "out" / "encoder.safetensors")


def test_a_training_that_ends_early_has_encoders_and_can_go_on(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "whole")
    early = run(shards, tmp_path / "early", until=2)
    assert early.n_done == 2
    assert read_metadata(tmp_path / "early" / "encoder.safetensors").notes["steps_done"] == "2"
    done: list[int] = []
    run(shards, tmp_path / "early", done.append)
    assert done == [3, 4, 5, 6]
    one, two = (load_file(tmp_path / name / "encoder.safetensors") for name in ("whole", "early"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(ConfigError, match="got until 0, need a step"):
        run(shards, tmp_path / "early", until=0)


def test_other_settings_or_shards_are_not_resumed(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"rate = 0\.001 \(was 0\.0005\)"):
        run(shards, tmp_path / "out", rate=1e-3)
    write_shards(tmp_path / "others", seed=1)
    with pytest.raises(ConfigError, match="resuming with shards"):
        run(tmp_path / "others", tmp_path / "out")
    (tmp_path / "out" / STATE).write_bytes(b"half a file")
    with pytest.raises(FileFormatError, match="cannot be resumed from"):
        run(shards, tmp_path / "out")


def test_every_trainable_tensor_moves_and_is_in_the_one_group(shards: Path, tmp_path: Path) -> None:
    before = Training(TrainSettings(amplitude=1.0), read_index(shards), ALONE)
    training = run(shards, tmp_path / "out", amplitude=1.0)
    (group,) = training.optimizer.param_groups
    trainable = {id(parameter) for parameter in training.model.parameters()}
    assert {id(parameter) for parameter in group["params"]} == trainable
    assert len(group["params"]) == len(trainable)
    assert not trainable & {id(parameter) for parameter in training.ema.parameters()}
    starts = dict(before.model.named_parameters())
    for name, parameter in training.model.named_parameters():
        assert not torch.equal(parameter, starts[name]), name
    ema, encoder = training.ema.encoder.state_dict(), training.model.encoder.state_dict()
    for name, start in before.model.encoder.state_dict().items():
        assert (ema[name] - start).norm() < 0.05 * (encoder[name] - start).norm(), "the EMA follows slowly"


def test_optimiser_and_schedule_are_the_published_ones(shards: Path) -> None:
    settings = TrainSettings(steps=100)
    training = Training(settings, read_index(shards), ALONE)
    assert isinstance(training.optimizer, torch.optim.AdamW)
    assert training.optimizer.param_groups[0]["weight_decay"] == 1e-6
    rates = []
    for _ in range(99):
        rates.append(training.rate)
        training.optimizer.step()
        training.schedule.step()
    assert rates[0] == pytest.approx(5e-4 / 2)
    assert rates.index(max(rates)) == 19
    assert max(rates) == pytest.approx(5e-4)
    assert training.rate == pytest.approx(5e-4 / 2 / 8)


def test_encoders_are_written_with_what_is_known_of_them(shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [
        "train",
        "--shards",
        str(shards),
        "--out",
        str(out),
        *ARGUMENTS,
        "--amplitude",
        "0.5",
        "--bf16",
    ]
    assert main(arguments) == 0
    info = read_metadata(out / "encoder.safetensors")
    assert (info.channels, info.unit, info.rate_hz, info.size.name) == (LABELS, "mV", 256.0, "nano")
    assert info.notes["steps"] == "6"
    assert "synthetic" in info.notes["data"]
    assert "--amplitude 0.5" in info.notes["command"]
    assert "reconstruction 1." in info.notes["losses"]
    encoder, _ = read_checkpoint(out / "encoder.safetensors")
    state = load_file(out / STATE)
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, state[f"model/encoder.{name}"])
        assert value.dtype == torch.float32, "bf16 is for computing, not for weights"
    assert rows(out)[-1]["amplitude"] > 0


def test_losses_go_to_the_table_and_to_tensorboard(shards: Path, tmp_path: Path) -> None:
    run(shards, tmp_path / "out")
    table = rows(tmp_path / "out")
    assert list(table[0]) == ["step", "rate", *Losses._fields]
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    told = [(event.step, event.value) for event in events.Scalars("reconstruction")]
    assert [step for step, _ in told] == [1, 2, 3, 4, 5, 6]
    for (_, value), row in zip(told, table, strict=True):
        assert value == pytest.approx(row["reconstruction"], rel=1e-6)


def test_a_loss_that_is_not_finite_stops_the_training(shards: Path, tmp_path: Path) -> None:
    index = read_index(shards)
    for shard in index.shards:
        path = shards / shard.file
        raw = bytearray(path.read_bytes())
        raw[-4 * 8 * 3900 :] = b"\x00\x00\xc0\x7f" * (8 * 3900)  # not-a-number in nearly all samples
        path.write_bytes(bytes(raw))
    with pytest.raises(SignalError, match="need finite ones"):
        run(shards, tmp_path / "out")
    assert not (tmp_path / "out" / STATE).exists()


def test_impossible_settings_are_refused(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong_ones: list[dict[str, Any]] = [{"steps": 1}, {"rate": 0.0}, {"momentum": 1.0}, {"seed": -1}]
    for wrong in wrong_ones:
        with pytest.raises(ConfigError, match="need 2 steps or more"):
            TrainSettings(**wrong)
    with pytest.raises(ConfigError, match="need one of wide, published"):
        TrainSettings(init="narrow")
    with pytest.raises(ConfigError, match="need auto, cpu or cuda"), open_processes("tpu"):
        pass
    arguments = ["train", "--shards", str(shards / "none"), "--out", str(shards / "out"), "--steps", "3"]
    assert main(arguments) == FileFormatError.exit_code
    assert "tools.pretrain prepare" in capsys.readouterr().err


@pytest.mark.slow  # not `net`: the sockets are torch's own, and nothing waits for real time
@pytest.mark.timeout(300)
def test_two_processes_train_as_one_with_the_double_batch(shards: Path, tmp_path: Path) -> None:
    options = [
        "train",
        "--shards",
        str(shards),
        *ARGUMENTS,
        "--amplitude",
        "1",
        "--device",
        "cpu",
        "--rate",
        "2e-3",
    ]
    assert main([*options, "--out", str(tmp_path / "one")]) == 0
    launcher = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "tools.pretrain",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, *options, "--out", str(tmp_path / "two")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        assert b == pytest.approx(a, rel=2e-3, abs=1e-5)
    assert one[0] == pytest.approx(two[0], rel=1e-5), "before the first update only the sums' order differs"
    first, second = (load_file(tmp_path / name / "encoder.safetensors") for name in ("one", "two"))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=2e-3, rtol=0)
