"""Pretrained experts: from their own files, or out of a decoder that was made of them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from rtbci.encoder.specmoe.checkpoint import read_decoder, read_expert, read_spec_metadata
from rtbci.encoder.specmoe.hinet import SpecEncoder
from rtbci.errors import ConfigError

__all__ = ["PEOPLE", "expert_files", "experts_sha256", "people_seen", "read_experts"]

PEOPLE = "people"
"""Note of a checkpoint: on whom its experts were pretrained, a JSON list of names."""


def expert_files(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The experts' checkpoints in some folders, or the decoder's in one.

    Raises
    ------
    ConfigError
        When a decoder is not alone, or does not say on whom its experts were pretrained.
    """
    decoders = [folder / "decoder.safetensors" for folder in folders]
    if not any(path.is_file() for path in decoders):
        return tuple(folder / "expert.safetensors" for folder in folders)
    if len(folders) > 1:
        raise ConfigError(
            f"--experts: got {len(folders)} folders with a decoder among them, need it alone; it has all its experts"
        )
    if PEOPLE not in read_spec_metadata(decoders[0]).notes:
        raise ConfigError(
            f"{decoders[0]}: does not say on whom its experts were pretrained, need that; give the experts' own folders"
        )
    return tuple(decoders)


def people_seen(paths: Sequence[Path]) -> tuple[str, ...]:
    """On whom these experts were pretrained, as far as their notes say; sorted."""
    seen = (json.loads(read_spec_metadata(path).notes.get(PEOPLE, "[]")) for path in paths)
    return tuple(sorted({str(name) for one in seen for name in one}))


def experts_sha256(paths: Sequence[Path]) -> str:
    """Of the experts' weights: the same whether they come from their own files or out of a decoder."""
    digest = hashlib.sha256()
    for expert in read_experts(paths):
        for name, weight in sorted(expert.state_dict().items()):
            digest.update(name.encode() + weight.numpy().tobytes())
    return digest.hexdigest()


def read_experts(paths: Sequence[Path]) -> list[SpecEncoder]:
    """Read what `expert_files` found; frozen experts of a decoder are those that it was made of.

    Raises
    ------
    EngineError
        When a file cannot be used.
    """
    if [read_spec_metadata(path).kind for path in paths] == ["decoder"]:
        return list(read_decoder(paths[0])[0].experts)  # type: ignore[arg-type]
    return [read_expert(path)[0].encoder for path in paths]
