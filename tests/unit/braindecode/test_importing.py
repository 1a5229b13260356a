"""Models made into engines, on stand-ins that have the interface of braindecode's."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rtbci.backends.golden import check_golden
from rtbci.braindecode.card import Imported
from rtbci.braindecode.importing import ModelRequest, import_model
from rtbci.braindecode.models import ModelSettings, build_model, load_state, put_weights, scaling_of
from rtbci.errors import EngineError, MissingPackageError
from rtbci.recipes import read_engine
from rtbci.runtime.engine_opener import open_checked
from tests.braindecode_stand_in import install_stand_in

CHANNELS = ("CZ", "C3", "C4")
N_SAMPLES, RATE_HZ = 64, 128.0
TINY = ModelSettings(model="TinyNet")


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_stand_in(tmp_path / "site", monkeypatch)


def request(settings: ModelSettings = TINY, **more: object) -> ModelRequest:
    plain = ModelRequest(settings, "own", CHANNELS, RATE_HZ, N_SAMPLES)
    return replace(plain, **more)  # type: ignore[arg-type]  # whatever a test asks for


def trained(folder: Path, **change: torch.Tensor) -> Path:
    """Weights that are not the random ones."""
    torch.manual_seed(5)
    state = build_model(TINY, CHANNELS, RATE_HZ, N_SAMPLES).state_dict()
    path = folder / "trained.safetensors"
    save_file({name: x.clone() for name, x in (state | change).items()}, path)
    return path


def outputs(
    folder: Path, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = open_checked(read_engine(str(folder)), "onnxruntime", 1)
    try:
        return np.concatenate([session.run(one[np.newaxis]) for one in x])
    finally:
        session.close()


@pytest.mark.slow
def test_exported_or_served_it_is_the_model(tmp_path: Path) -> None:
    """What ONNX Runtime gives, what torch gives, and the model itself, with its scaling."""
    weights = trained(tmp_path)
    settings = ModelSettings(model="TinyNet", gain=0.1, zscore=True)
    made: dict[bool, Imported] = {}
    for onnx in (True, False):
        made[onnx] = import_model(
            request(settings, weights=weights, onnx=onnx), tmp_path / f"{onnx}", lambda _: None
        )
    assert (made[True].is_onnx, made[False].is_onnx, made[True].random) == (True, False, ())
    assert read_engine(str(tmp_path / "True")).onnx == "encoder.onnx"
    assert read_engine(str(tmp_path / "False")).plugin == "braindecode"

    x = 20.0 * np.random.default_rng(1).standard_normal((5, 3, N_SAMPLES)).astype(np.float32)
    model = build_model(settings, CHANNELS, RATE_HZ, N_SAMPLES)
    put_weights(model, load_state(weights), "trained")
    scaled = 0.1 * x
    scaled = (scaled - scaled.mean(axis=2, keepdims=True)) / (scaled.std(axis=2, keepdims=True) + 1e-6)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(scaled)).numpy()
    for onnx in (True, False):
        np.testing.assert_allclose(outputs(tmp_path / f"{onnx}", x), wanted, rtol=1e-4, atol=1e-5)


def test_an_import_replaces_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "encoder.onnx").write_bytes(b"of another model")
    import_model(request(onnx=False), folder, lambda _: None)
    assert sorted(path.name for path in folder.iterdir()) == [
        "CARD.md",
        "golden.safetensors",
        "recipe.toml",
        "weights.safetensors",
    ]
    card = (folder / "CARD.md").read_text()
    assert "random weights" in card
    assert "braindecode 0.0" in card


@pytest.mark.slow
def test_what_does_not_export_is_served_by_torch_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    made = import_model(request(ModelSettings(model="LoopNet")), tmp_path / "engine", told.append)
    assert not made.is_onnx
    assert any("runs on torch, and not as ONNX: it cannot be exported" in line for line in told), told
    assert read_engine(str(tmp_path / "engine")).plugin == "braindecode"


def test_features_and_names(tmp_path: Path) -> None:
    made = import_model(
        request(ModelSettings(model="TinyNet", output="features"), onnx=False), tmp_path / "f", lambda _: None
    )
    assert made.output_shape == (4,)
    assert read_engine(str(tmp_path / "f")).output.meaning == "features"
    import_model(request(ModelSettings(model="NamesNet"), onnx=False), tmp_path / "n", lambda _: None)
    options = ModelSettings(model="TinyNet", options={"n_filters": 7}, output="features")
    assert import_model(request(options, onnx=False), tmp_path / "o", lambda _: None).output_shape == (7,)


@pytest.mark.parametrize(
    ("settings", "n_samples", "said"),
    [
        ({"model": "NoNet"}, 64, "has no model NoNet, have .*TinyNet"),
        (
            {"model": "TinyNet"},
            16,
            r"does not take 3 channels, 16 samples at 128 Hz .*n_times is 16, need 32",
        ),
        ({"model": "TinyNet", "options": {"depth": 3}}, 64, "unexpected keyword argument 'depth'"),
        ({"model": "BlindNet"}, 64, r"gives \(3,\) for a window, need \(2,\)"),
        ({"model": "BlindNet", "output": "features"}, 64, "gives no features"),
    ],
)
def test_what_cannot_be_made(tmp_path: Path, settings: dict[str, object], n_samples: int, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        import_model(
            request(ModelSettings.model_validate(settings), n_samples=n_samples, onnx=False),
            tmp_path / "e",
            lambda _: None,
        )
    assert not (tmp_path / "e").exists()


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("BOOM",))


def test_a_pickle_is_never_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (
        ("bomb.pt", Bomb()),
        ("model.pt", build_model(TINY, CHANNELS, RATE_HZ, N_SAMPLES).conv),
    ):
        torch.save(content, tmp_path / name)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "short.safetensors").write_bytes(b"\x10")
    for name in ("bomb.pt", "model.pt", "plain.pt", "short.safetensors"):
        with pytest.raises(EngineError, match=f"{name}: holds no weights that can be read safely"):
            load_state(tmp_path / name)
    assert "BOOM" not in capsys.readouterr().out


def test_weights_of_torch(tmp_path: Path) -> None:
    state = load_state(trained(tmp_path))
    for name, content in (("plain.pt", state), ("nested.pt", {"state_dict": state, "epoch": 3})):
        torch.save(content, tmp_path / name)
        assert load_state(tmp_path / name).keys() == state.keys()
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(EngineError, match="need a state dict"):
        load_state(tmp_path / "none.pt")
    with pytest.raises(EngineError, match="cannot be read"):
        load_state(tmp_path / "gone.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv.bias": torch.zeros(9)}, r"conv.bias is \(9,\), need \(4,\)"),
        ({"conv.bias": torch.full((4,), torch.nan)}, "conv.bias hold numbers that are not finite"),
        ({"extra": torch.zeros(1)}, "lacks nothing and has extra"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, change: dict[str, torch.Tensor], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        import_model(request(weights=trained(tmp_path, **change), onnx=False), tmp_path / "e", lambda _: None)


def test_a_head_of_another_size_only_when_asked_for(tmp_path: Path) -> None:
    head = {"final_layer.weight": torch.zeros(5, 4), "final_layer.bias": torch.zeros(5)}
    weights = trained(tmp_path, **head)
    with pytest.raises(EngineError, match=r"final_layer.weight is \(5, 4\)"):
        import_model(request(weights=weights, onnx=False), tmp_path / "e", lambda _: None)
    made = import_model(request(weights=weights, onnx=False, new_head=True), tmp_path / "e", lambda _: None)
    assert made.random == ("final_layer.weight", "final_layer.bias")
    assert "2 tensors have random weights" in (tmp_path / "e" / "CARD.md").read_text()


def test_golden_numbers_hold_it(tmp_path: Path) -> None:
    import_model(request(onnx=False), tmp_path / "e", lambda _: None)
    recipe = read_engine(str(tmp_path / "e"))
    session = open_checked(recipe, "onnxruntime", 1)
    check_golden(session, recipe)
    other = import_model(request(weights=trained(tmp_path), onnx=False), tmp_path / "other", lambda _: None)
    (tmp_path / "e" / "golden.safetensors").write_bytes((other.folder / "golden.safetensors").read_bytes())
    with pytest.raises(EngineError, match="golden output differs"):
        open_checked(recipe, "onnxruntime", 1)


def test_without_braindecode_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "braindecode.models", None)
    with pytest.raises(MissingPackageError, match=r"cannot be imported .*install .*\[braindecode\]"):
        build_model(TINY, CHANNELS, RATE_HZ, N_SAMPLES)


def test_scalings_of_pretrained_models() -> None:
    assert scaling_of("Labram") == (0.01, False)
    assert scaling_of("REVE") == (1.0, True)
    assert scaling_of("EEGNet") == (1.0, False)
