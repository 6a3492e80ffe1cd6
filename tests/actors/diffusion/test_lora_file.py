"""The adapter's file: whatever layers it is of, plain diffusers loads all of it and draws what the policy draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file  # pyright: ignore[reportUnknownVariableType]
from tiny import disturb
from tiny_families import FAMILIES, OWN, draw_plainly

from actors.config import LoraConfig, PolicyConfig, Resolution, SamplerConfig
from actors.diffusion.lora_file import FILE, save_lora
from actors.diffusion.pipelines import registry
from actors.diffusion.policy import Policy
from actors.diffusion.sampler import Sampler, draw_noise
from actors.ticket import Ticket
from rewards.errors import ExportError

PROMPT, STEPS, GUIDANCE = "a red cat", 4, 3.0
SIZE = Resolution(height=OWN[0], width=OWN[1])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("kinds")
    return {name: family.save(made / name.replace(" ", "-")) for name, family in FAMILIES.items()}


def trained(folder: Path, **lora: Any) -> Policy:
    """The policy as after some training: no entry of its adapter is zero."""
    policy = Policy.load(PolicyConfig(model=str(folder), lora=LoraConfig(**lora), resolution=SIZE), seed=3)
    disturb(policy, 0.1)
    return policy


def endings(network: Any) -> list[str]:
    """Endings of layers' names that lead to layers which LoRA can adapt, and to nothing else."""
    fit, unfit = set[str](), set[str]()
    for name, module in network.named_modules():
        parts: list[str] = name.split(".")
        its = fit if isinstance(module, torch.nn.Linear | torch.nn.Conv2d) else unfit
        its.update(".".join(parts[i:]) for i in range(len(parts)))
    return sorted(fit - unfit)


def own_picture(policy: Policy) -> np.ndarray:
    """What the policy draws without noise in its steps, `[1, H, W, 3]` in 0..1."""
    sampler = Sampler(policy, SamplerConfig(steps=STEPS, eta=1e-9, guidance=GUIDANCE))
    made = sampler.sample(Ticket(1, 0, 0, PROMPT, (7,), 0), version=0)
    with torch.no_grad():
        pixels = policy.pipeline.decode(torch.as_tensor(made.latents[:, -1]))
    return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()


def plain_picture(pipe: Any, shape: tuple[int, int, int]) -> np.ndarray:
    latents = draw_noise((7,), STEPS, shape)[:, 0]
    return draw_plainly(pipe, [PROMPT], latents, OWN, STEPS, GUIDANCE)


@pytest.mark.parametrize("kind", FAMILIES)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_plain_diffusers_draws_the_policys_picture_whatever_layers_are_trained(
    kind: str, folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = folders[kind]
    names = endings(registry.kind_of(str(folder)).load(str(folder)).network)
    targets = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=6, unique=True))
    rank, alpha = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 20))
    policy = trained(folder, rank=rank, alpha=alpha, targets=targets)
    out = tmp_path_factory.mktemp("lora")
    policy.save_lora(out)
    pipe = FAMILIES[kind].plain(folder)
    pipe.load_lora_weights(out)
    assert np.abs(own_picture(policy) - plain_picture(pipe, policy.latent_shape)).max() <= 2e-5


@pytest.mark.parametrize(
    ("kind", "targets", "tensors"),
    [
        ("diffusion", ("to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out"), 80),
        ("diffusion", ("conv1", "conv2", "to_q", "time_emb_proj", "linear_1", "net.0.proj"), 74),
        ("flow", ("proj", "to_q", "add_q_proj", "linear_1", "ff.net.2", "norm_out.linear"), 38),
    ],
)
def test_every_tensor_of_a_mixed_adapter_is_loaded(
    kind: str, targets: tuple[str, ...], tensors: int, folders: dict[str, Path], tmp_path: Path
) -> None:
    policy = trained(folders[kind], rank=4, alpha=16, targets=targets)
    policy.save_lora(tmp_path)
    pipe = FAMILIES[kind].plain(folders[kind])
    pipe.load_lora_weights(tmp_path)
    loaded = {n: p for n, p in getattr(pipe, policy.pipeline.part).named_parameters() if ".lora_" in n}
    mine = {n.replace(".default.", ".default_0."): p for n, p in policy.named_trainable().items()}
    assert len(mine) == tensors
    assert loaded.keys() == mine.keys()
    assert all(torch.equal(loaded[name], mine[name]) for name in mine)


def test_a_file_that_diffusers_reads_as_something_else_is_no_export(
    tiny_policy_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = trained(tiny_policy_dir, rank=4, alpha=16)
    write: Any = policy.pipe.save_lora_weights

    def with_one_tensor_less(folder: str, **layers: Any) -> None:
        layers["unet_lora_layers"].popitem()
        write(folder, **layers)

    monkeypatch.setattr(policy.pipe, "save_lora_weights", with_one_tensor_less, raising=False)
    with pytest.raises(ExportError, match=r"1 of its 64 tensors differ, .*lora_B\.default\.weight first"):
        save_lora(policy.pipeline, tmp_path)


def test_an_alpha_that_a_reader_does_not_see_is_noticed(
    tiny_policy_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = trained(tiny_policy_dir, rank=4, alpha=16)
    write: Any = policy.pipe.save_lora_weights

    def without_metadata(folder: str, **layers: Any) -> None:
        write(folder, **layers)
        save_file(load_file(Path(folder, FILE)), Path(folder, FILE))

    monkeypatch.setattr(policy.pipe, "save_lora_weights", without_metadata, raising=False)
    with pytest.raises(ExportError, match="32 of its 64"):
        save_lora(policy.pipeline, tmp_path)


def test_equal_adapters_make_equal_files(tiny_policy_dir: Path) -> None:
    targets = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "proj_in", "linear_1")
    first, again = (trained(tiny_policy_dir, targets=order) for order in (targets, targets[::-1]))
    assert first.exported() == again.exported()


def test_reading_back_leaves_the_policy_as_it_was(tiny_policy_dir: Path, tmp_path: Path) -> None:
    policy = trained(tiny_policy_dir, rank=4, alpha=16)
    before, picture = policy.adapter(0).checksum(), own_picture(policy)
    network = policy.network
    policy.save_lora(tmp_path)
    assert policy.pipe.unet is network is policy.network
    assert policy.adapter(0).checksum() == before
    assert np.array_equal(own_picture(policy), picture)
