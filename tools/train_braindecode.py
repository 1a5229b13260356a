"""Train a model of braindecode on recordings, as the running decoder sees them, and make it an engine.

    python -m tools.train_braindecode --out FOLDER

writes FOLDER/recipe.toml (a paradigm), FOLDER/engine (the model as an engine) and FOLDER/weights.safetensors, and
prints the accuracy of the model in torch on people that it was not trained on, to be compared with what `rtbci eval`
says of the same people.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from rtbci.braindecode.importing import ModelRequest, import_model
from rtbci.braindecode.models import ModelSettings, build_model, load_state, put_weights, scaled_model
from rtbci.evaluate.data import SubjectReader, open_data
from rtbci.evaluate.decode import HopDecoder, decode_run
from rtbci.evaluate.trials import TRACKS, find_trials, nearest_window
from rtbci.recipes import ParadigmRecipe, read_paradigm

Windows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.intp]

N_MORE = 4
"""Windows of a training trial beside the one that it is judged by: those of the hops before it."""
BATCH = 64


def main() -> None:
    """Train, import, judge."""
    given = _arguments()
    paradigm = given.out / "recipe.toml"
    given.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).parent.parent / "examples" / "eegnet" / "recipe.toml", paradigm)
    recipe = read_paradigm(str(given.out))
    settings = ModelSettings(model=given.model, n_outputs=len(recipe.classes))
    weights = given.out / "weights.safetensors"
    request = ModelRequest(settings, given.model.lower(), recipe.input.channels, 128.0, 256, unit="whitened")
    import_model(request, given.out / "engine", print)  # random: it lends the decoder its shape

    reader = open_data([str(given.data)])
    names = reader.subjects()
    trained_on, judged_on = names[: given.n_train], names[-given.n_test :]
    x, y = _windows_of(reader, trained_on, recipe, N_MORE)
    print(f"{given.model}: {len(x)} windows of {len(trained_on)} people", flush=True)
    save_file(_train(settings, recipe, x, y, given.epochs), weights)
    told = (
        f"trained on {len(trained_on)} people of EEGMMIDB, {trained_on[0]} to {trained_on[-1]} (ODC-BY 1.0)"
    )
    with_weights = ModelRequest(
        settings, request.name, request.channels, 128.0, 256, unit="whitened", weights=weights, source=told
    )
    import_model(with_weights, given.out / "engine", print)

    accuracies = {
        name: _accuracy(settings, recipe, weights, *_windows_of(reader, [name], recipe, 0))
        for name in judged_on
    }
    for name, accuracy in accuracies.items():
        print(f"{name} {accuracy:.2f}")
    print(
        f"in torch, balanced accuracy of {len(judged_on)} people: {np.mean(list(accuracies.values())):.2f} %"
    )
    print(f"rtbci eval --paradigm {given.out} --data {given.data} --subjects {','.join(judged_on)} --track B")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/eegmmidb"))
    parser.add_argument("--model", default="EEGNet")
    parser.add_argument("--n-train", type=int, default=30)
    parser.add_argument("--n-test", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=30)
    return parser.parse_args()


def _windows_of(
    reader: SubjectReader, names: Sequence[str], recipe: ParadigmRecipe, n_more: int
) -> tuple[Windows, Labels]:
    """Windows (n, n_channels, n_samples) of track B as the running decoder cuts them, and their classes."""
    found: list[Windows] = []
    labels: list[int] = []
    track, hop_s = TRACKS["B"], recipe.window.hop_s
    with HopDecoder(recipe) as decoder:
        n_window = round(recipe.window.length_s * 128.0)
        for name in names:
            runs = reader.read(name)
            trials = find_trials(runs, recipe, name)
            for i_run, run in enumerate(runs):
                windows = decode_run(decoder, run)
                for trial in (one for one in trials if one.i_run == i_run):
                    i = nearest_window(windows.t_first, windows.t_newest, trial.t_cue, track, hop_s)
                    if i is None:
                        continue
                    cut = decoder.signals(range(i - n_more, i + 1), context_s=0.0)[:, -n_window:]
                    found.append(np.ascontiguousarray(cut.transpose(0, 2, 1), np.float32))
                    labels += [trial.i_class] * (n_more + 1)
    return np.concatenate(found), np.array(labels, np.intp)


def _train(
    settings: ModelSettings, recipe: ParadigmRecipe, x: Windows, y: Labels, epochs: int
) -> dict[str, torch.Tensor]:
    """State of the model after training; seed 0, one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(settings, recipe.input.channels, 128.0, x.shape[2]).train()
    steps = epochs * -(-len(x) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps, pct_start=0.2)
    signal, classes = torch.from_numpy(x), torch.from_numpy(y)
    for epoch in range(epochs):
        losses = []
        for rows in torch.split(torch.randperm(len(x)), BATCH):
            loss = torch.nn.functional.cross_entropy(model(settings.gain * signal[rows]), classes[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
        print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}", flush=True)
    return {name: tensor.detach().clone().contiguous() for name, tensor in model.state_dict().items()}


def _accuracy(settings: ModelSettings, recipe: ParadigmRecipe, weights: Path, x: Windows, y: Labels) -> float:
    """Balanced accuracy of the model in torch, percent."""
    model = build_model(settings, recipe.input.channels, 128.0, x.shape[2])
    put_weights(model, load_state(weights), str(weights))
    scaled = scaled_model(model, settings, recipe.input.channels)
    with torch.inference_mode():
        said = (
            torch.cat([scaled(torch.from_numpy(one[np.newaxis].copy())) for one in x]).argmax(dim=1).numpy()
        )
    return float(100.0 * np.mean([(said[y == i] == i).mean() for i in np.unique(y)]))


if __name__ == "__main__":
    main()
