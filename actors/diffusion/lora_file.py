"""LoRA files: written so that plain diffusers loads them, and read as plain diffusers reads them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from actors.diffusion.pipelines.pipeline import Pipeline
from rewards.errors import ExportError

FILE = "pytorch_lora_weights.safetensors"
"""What diffusers calls the file of an adapter."""
PEFT_FILE, PEFT_SETTINGS, PEFT_PREFIX = "adapter_model.safetensors", "adapter_config.json", "base_model.model."
"""What peft calls the file of an adapter and its settings, and how all names in it begin."""
METADATA = "lora_adapter_metadata"
"""Where diffusers keeps the settings of an adapter, in the metadata of its file."""


@dataclass(frozen=True)
class Lora:
    """A LoRA as it stands in a network.

    tensors  the two factors of each adapted layer, by the names of the network's parameters
    scales   alpha / rank, by the name of the layer
    """

    tensors: Mapping[str, Tensor]
    scales: Mapping[str, float]

    @classmethod
    def of(cls, network: Any) -> Lora:
        """The adapter "default" of `network`; its tensors are the network's own."""
        from peft.tuners.lora import LoraLayer

        layers: dict[str, Any] = {name: m for name, m in network.named_modules() if isinstance(m, LoraLayer)}
        return cls(
            {name: p.detach() for name, p in network.named_parameters() if ".lora_" in name},
            {name: layer.scaling["default"] for name, layer in layers.items()},
        )

    def differences(self, other: Lora) -> list[str]:
        """The names of tensors and layers in which two LoRAs are not the same, bit for bit."""
        names = sorted(self.tensors.keys() | other.tensors.keys())
        unlike = [name for name in names if not _equal(self.tensors.get(name), other.tensors.get(name))]
        layers = sorted(self.scales.keys() | other.scales.keys())
        return unlike + [name for name in layers if self.scales.get(name) != other.scales.get(name)]


def save_lora(pipeline: Pipeline, folder: Path | str) -> None:
    """Writes the adapter of `pipeline` into `folder` so that `pipe.load_lora_weights(folder)` of plain diffusers loads
    it, and reads it back; raises ExportError if that gives anything else."""
    import peft

    # Peft's own names, for every kind of layer: diffusers guesses the naming of a whole file by its first tensor.
    layers: dict[str, Tensor] = cast(Any, peft).get_peft_model_state_dict(pipeline.network)
    # Without its settings a loader takes alpha = rank. Peft has the targets in a set, whose order varies.
    settings: dict[str, Any] = pipeline.network.peft_config["default"].to_dict()
    settings |= {key: sorted(cast(set[str], value)) for key, value in settings.items() if isinstance(value, set)}
    part, file = pipeline.part, Path(folder, FILE)
    pipeline.pipe.save_lora_weights(
        str(folder), **{f"{part}_lora_layers": layers, f"{part}_lora_adapter_metadata": settings}
    )
    _sort_header(file)
    mine, theirs = Lora.of(pipeline.network), _read(pipeline, file)
    if unlike := mine.differences(theirs):
        raise ExportError(
            f"plain diffusers does not read back the adapter that was written: {len(unlike)} of its "
            f"{len(mine.tensors)} tensors differ, {unlike[0]} first; name fewer kinds of layers in policy.lora.targets"
        )


def lora_file(path: Path) -> Path:
    """The file of the LoRA in `path`, a folder as diffusers or peft saves it or a safetensors file; raises ValueError
    if there is none."""
    found = [path / name for name in (FILE, PEFT_FILE) if (path / name).is_file()] or sorted(path.glob("*.safetensors"))
    if path.is_dir() and len(found) != 1:
        what = f"holds {len(found)} safetensors files" if found else "holds no safetensors file"
        raise ValueError(f"policy.lora.init: the folder {path} {what}; give the file of a LoRA, or a folder of one")
    file = found[0] if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"policy.lora.init: there is no {path}; give a folder or a safetensors file of a LoRA")
    try:
        names = _names(file)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"policy.lora.init: {file} cannot be read ({error}); is the download whole?") from None
    if foreign := [name for name in names if name.startswith(("text_encoder", "lora_te"))]:
        raise ValueError(
            f"policy.lora.init: {file} adapts a text encoder, too ({foreign[0]}), which Salon leaves as it is; give a "
            "LoRA of the denoising network alone"
        )
    return file


def read_lora(pipeline: Pipeline, path: Path) -> Lora:
    """The LoRA in `path` (see `lora_file`), as plain diffusers puts it into a network like that of `pipeline`.

    Raises ValueError if diffusers does not understand the file, or not all of it.
    """
    file = lora_file(path)
    names = [name for name in _names(file) if not name.endswith(".alpha")]
    with TemporaryDirectory(prefix="salon-") as folder:
        renamed = Path(folder, FILE)
        try:
            if all(name.startswith(PEFT_PREFIX) for name in names):
                _rename_peft(file, renamed, pipeline.part)
            elif any(".lora.down." in name for name in names):
                _rename_mixture(file, renamed)
            lora = _read(pipeline, renamed if renamed.exists() else file)
        except (ValueError, KeyError, RuntimeError, TypeError, OSError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"policy.lora.init: {file} is no LoRA for this policy: {why}") from error
    read = sum(not tensor.is_meta for tensor in lora.tensors.values())
    if read != len(names):
        raise ValueError(
            f"policy.lora.init: of the {len(names)} tensors in {file}, diffusers can put only {read} into this "
            "policy's network; is it a LoRA for another kind of model?"
        )
    return lora


def _read(pipeline: Pipeline, file: Path) -> Lora:
    """What `load_lora_weights` makes of `file`, in an empty network, so that `pipeline` stays as it is."""
    family: Any = type(cast(object, pipeline.network))
    with torch.device("meta"):
        empty: Any = family.from_config(pipeline.network.config)
    # Memory that is never written to costs nothing; layers without any would send the adapter's tensors there, too.
    empty.to_empty(device="cpu")
    reader = copy.copy(pipeline.pipe)
    setattr(reader, pipeline.part, empty)
    reader.load_lora_weights(str(file.parent), weight_name=file.name, adapter_name="default")
    return Lora.of(empty)


def _names(file: Path) -> list[str]:
    with cast(Any, safe_open)(file, "pt") as opened:
        return list(opened.keys())


def _rename_mixture(file: Path, to: Path) -> None:
    """Copies a file with peft's names for all layers: version 0.1.0 wrote other names for some, as diffusers did."""
    with cast(Any, safe_open)(file, "pt") as opened:
        metadata: dict[str, str] | None = opened.metadata()
    names = {name: name.replace(".lora.down.", ".lora_A.").replace(".lora.up.", ".lora_B.") for name in _names(file)}
    save_file({names[name]: tensor for name, tensor in load_file(file).items()}, to, metadata)


def _rename_peft(file: Path, to: Path, part: str) -> None:
    """Copies a file of peft's with the names and settings that diffusers gives its own."""
    tensors = {f"{part}.{name.removeprefix(PEFT_PREFIX)}": tensor for name, tensor in load_file(file).items()}
    stored: dict[str, Any] = json.loads((file.parent / PEFT_SETTINGS).read_text("utf-8"))
    used = {"r", "lora_alpha", "rank_pattern", "alpha_pattern", "target_modules", "use_rslora"} & stored.keys()
    save_file(tensors, to, {METADATA: json.dumps({f"{part}.{key}": stored[key] for key in used})})


def _sort_header(file: Path) -> None:
    """Gives a safetensors file the header that it always has for these tensors: safetensors shuffles its metadata."""
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    file.write_bytes(len(header).to_bytes(8, "little") + header + content[end:])


def _equal(mine: Tensor | None, theirs: Tensor | None) -> bool:
    # A tensor that a file lacks has no numbers in a network without any.
    return mine is not None and theirs is not None and not theirs.is_meta and torch.equal(mine.cpu(), theirs.cpu())
