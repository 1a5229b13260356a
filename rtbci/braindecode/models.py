"""From a few settings and a file of weights to a model of braindecode that takes our windows."""

import inspect
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal
from warnings import catch_warnings, simplefilter

import numpy as np
from pydantic import Field

from rtbci.errors import EngineError, MissingPackageError, RtbciError
from rtbci.installing import pip_extra
from rtbci.settings import Positive, Settings
from rtbci.stream.labels import canonical_label
from rtbci.stream.montage import HEAD_RADIUS_M, positions

if TYPE_CHECKING:
    import torch

__all__ = ["ModelSettings", "build_model", "load_state", "put_weights", "scaled_model", "scaling_of"]


SCALINGS: dict[str, tuple[float, bool]] = {
    "Labram": (0.01, False),  # tenths of a millivolt (Jiang et al. 2024, arXiv:2405.18765)
    "EEGPT": (0.001, False),  # millivolts (Wang et al. 2024, NeurIPS)
    "REVE": (
        1.0,
        True,
    ),  # each recording z-scored (El Ouahidi et al. 2025, arXiv:2510.21585); here each window
}
"""By model: what a microvolt is multiplied with, and whether each channel of a window is z-scored then."""
ZSCORE_FLOOR = 1e-6
"""Added to a channel's standard deviation, after the gain: a flat channel stays flat."""
REVE_BANK, REVE_PATH = "reve_positions.json", "REVE_POSITIONS_PATH"


class ModelSettings(Settings):
    """What makes a model, beside its weights; the ``[settings]`` of an engine's recipe.

    Parameters
    ----------
    model : str
        Name of a class in `braindecode.models`.
    options : dict
        Further arguments of that class, for instance ``{"F1": 16}``.
    gain : float
        What the input is multiplied with.
    zscore : bool
        Whether each channel of each window is then brought to mean 0 and standard deviation 1.
    output : {'logits', 'features'}
        What the model is asked for; features are flattened.
    n_outputs : int
        Of the model's classifier.
    """

    model: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    options: dict[str, Any] = Field(default_factory=dict)
    gain: Positive = 1.0
    zscore: bool = False
    output: Literal["logits", "features"] = "logits"
    n_outputs: int = Field(default=2, ge=1)


def scaling_of(model: str) -> tuple[float, bool]:
    """Gain from microvolts, and whether windows are z-scored, that a model was pretrained with; 1 and False where unknown."""
    return SCALINGS.get(model, (1.0, False))


def build_model(
    settings: ModelSettings, channels: tuple[str, ...], rate_hz: float, n_samples: int
) -> "torch.nn.Module":
    """Make a model with random weights.

    Parameters
    ----------
    settings : ModelSettings
    channels : tuple of str
        Canonical labels; the model is told their positions on a head of 95 mm radius.
    rate_hz : float
    n_samples : int
        Of a window.

    Raises
    ------
    MissingPackageError
        When braindecode cannot be imported.
    EngineError
        When it has no such model, or that model refuses these settings.
    """
    made = _class_of(settings.model)
    given = {
        "n_chans": len(channels),
        "n_outputs": settings.n_outputs,
        "n_times": n_samples,
        "sfreq": rate_hz,
        "chs_info": _chs_info(channels),
        **settings.options,
    }
    try:
        with catch_warnings(), _reve_positions(settings.model, channels):
            simplefilter("ignore")  # of libraries of its own
            model: torch.nn.Module = made(**given).eval()
    except Exception as error:  # whatever a model raises about its settings
        raise EngineError(
            f"braindecode {settings.model}: does not take {len(channels)} channels, {n_samples} samples at {rate_hz:g} Hz and "
            f"{settings.options or 'no options'} ({type(error).__name__}: {_first_line(error)}); change channels, rate, window or options"
        ) from error
    return model


def scaled_model(
    model: "torch.nn.Module", settings: ModelSettings, channels: tuple[str, ...]
) -> "torch.nn.Module":
    """A module from our windows (n, n_channels, n_samples) to numbers (n, n_outputs): scaling, model, flattening."""
    import torch

    takes = inspect.signature(model.forward).parameters
    asked: dict[str, Any] = {"ch_names": list(channels)} if "ch_names" in takes else {}
    if settings.output == "features":
        if "return_features" not in takes:
            raise EngineError(
                f"braindecode {settings.model}: gives no features, need --output logits; or another model"
            )
        asked["return_features"] = True

    class Scaled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x * settings.gain
            if settings.zscore:
                centred = x - x.mean(dim=-1, keepdim=True)
                x = centred / (centred.square().mean(dim=-1, keepdim=True).sqrt() + ZSCORE_FLOOR)
            y = self.model(x, **asked)
            features: torch.Tensor = y["features"] if isinstance(y, dict) else y
            return features.flatten(start_dim=1)

    return Scaled().eval()


def load_state(path: Path) -> "dict[str, torch.Tensor]":
    """Read weights, and nothing that could run: safetensors, or a state dict of torch with ``weights_only``.

    Raises
    ------
    EngineError
        When the file is neither, or holds something else than tensors.
    """
    import torch
    from safetensors.torch import load

    try:
        data = path.read_bytes()
    except OSError as error:
        raise EngineError(
            f"{path}: cannot be read ({error.strerror}), need a file of weights; check the path"
        ) from None
    try:
        if path.suffix == ".safetensors":
            return load(data)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the formats' own
        raise EngineError(
            f"{path}: holds no weights that can be read safely ({type(error).__name__}: {_first_line(error)}), need .safetensors, "
            "or a state dict as torch.save(model.state_dict(), FILE) writes it; a pickled model is never opened"
        ) from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if (
        not isinstance(found, dict)
        or not found
        or not all(isinstance(x, torch.Tensor) for x in found.values())
    ):
        raise EngineError(
            f"{path}: holds {type(found).__name__}, need a state dict: names and tensors; save that"
        )
    return dict(found)


def put_weights(
    model: "torch.nn.Module", state: "Mapping[str, torch.Tensor]", where: str, *, head_may_lack: bool = False
) -> list[str]:
    """Give a model its weights.

    Parameters
    ----------
    model : Module
    state : mapping of str to Tensor
    where : str
        What messages start with.
    head_may_lack : bool
        Whether the classifier (names with ``final_layer`` or ``head``) may keep its random weights.

    Returns
    -------
    list of str
        Names that kept their random weights.

    Raises
    ------
    EngineError
        When names or shapes differ otherwise, or a number is not finite.
    """
    import torch

    if odd := [name for name, x in state.items() if x.is_floating_point() and not torch.isfinite(x).all()]:
        raise EngineError(
            f"{where}: {', '.join(odd[:3])} hold numbers that are not finite; save the weights again"
        )
    own = model.state_dict()
    wrong = [
        f"{name} is {tuple(x.shape)}, need {tuple(own[name].shape)}"
        for name, x in state.items()
        if name in own and own[name].shape != x.shape
    ]
    heads = [name for name in own if "final_layer" in name or name.split(".")[0] == "head"]
    if head_may_lack:
        state = {name: x for name, x in state.items() if not (name in heads and own[name].shape != x.shape)}
        wrong = [text for text in wrong if not text.startswith(tuple(heads))]
    if wrong:
        raise EngineError(
            f"{where}: {'; '.join(wrong[:3])}; give the channels, rate, window and options of the training"
        )
    missing, unexpected = model.load_state_dict(dict(state), strict=False)
    lacking = [name for name in missing if not (head_may_lack and name in heads)]
    if lacking or unexpected:
        raise EngineError(
            f"{where}: lacks {', '.join(lacking[:3]) or 'nothing'} and has {', '.join(unexpected[:3]) or 'nothing'} "
            f"that the model has not ({len(lacking)} and {len(unexpected)} in all); need weights of this model with these options"
        )
    return list(missing)


def _class_of(name: str) -> Any:
    try:
        with catch_warnings():
            simplefilter("ignore")
            import braindecode.models as models
    except (ImportError, OSError) as error:  # OSError: a library that was built for another torch
        raise MissingPackageError(
            f"braindecode: cannot be imported ({_first_line(error)}); {pip_extra('braindecode')}, with a torchaudio that was "
            "built for the torch that is installed"
        ) from error
    found = getattr(models, name, None)
    if not inspect.isclass(found):
        have = [one for one in dir(models) if inspect.isclass(getattr(models, one))]
        near = [one for one in have if one.lower() == name.lower()] or have
        raise EngineError(f"braindecode: has no model {name}, have {', '.join(near)}; name one of these")
    return found


def _chs_info(channels: tuple[str, ...]) -> list[dict[str, Any]]:
    """What MNE says of electrodes, as far as models read it: name, and place in metres."""
    places = HEAD_RADIUS_M * positions([canonical_label(label) for label in channels])
    return [
        {"ch_name": label, "kind": "eeg", "loc": np.concatenate([place, np.zeros(9)])}
        for label, place in zip(channels, places, strict=True)
    ]


@contextmanager
def _reve_positions(model: str, channels: tuple[str, ...]) -> Iterator[None]:
    """Our positions for a model that fetches its own from a hub, unless they are on this computer already."""
    import mne

    known = os.environ.get(REVE_PATH) or mne.get_config(REVE_PATH) or str(Path.home() / "mne_data")
    if model != "REVE" or (Path(str(known)) / REVE_BANK).is_file():
        yield
        return
    places = HEAD_RADIUS_M * positions([canonical_label(label) for label in channels])
    earlier = os.environ.get(REVE_PATH)
    with TemporaryDirectory() as folder:
        bank = {label: place.tolist() for label, place in zip(channels, places, strict=True)}
        (Path(folder) / REVE_BANK).write_text(json.dumps(bank))
        os.environ[REVE_PATH] = folder
        try:
            yield
        finally:
            if earlier is None:
                del os.environ[REVE_PATH]
            else:
                os.environ[REVE_PATH] = earlier


def _first_line(error: BaseException) -> str:
    if isinstance(error, RtbciError):
        return str(error)
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
