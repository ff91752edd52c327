"""Turns the spellings in which weights are published into timm's.

timm knows most authors' own layouts; what is added here is that of transformers, and weights wrapped in something.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import torch

__all__ = ["adapt"]

#: Where a checkpoint of a teacher and a student keeps the one that its authors evaluate: MSN, then DINO.
_WRAPPERS = ("target_encoder", "teacher")

#: From transformers' names to those of timm, one after the other.
_FROM_TRANSFORMERS = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^(?:vit|dinov2|dinov2_with_registers|vision_model)\.", ""),
        (r"^embeddings\.patch_embeddings?\.(?:projection\.)?", "patch_embed.proj."),
        (r"^embeddings\.position_embeddings?(?:\.weight)?$", "pos_embed"),
        (r"^embeddings\.", ""),
        (r"^encoder\.layers?\.", "blocks."),
        (r"\.(?:attention\.attention|self_attn)\.([qkv])(?:uery|ey|alue|_proj)\.", r".attn.\1."),
        (r"\.(?:attention\.output\.dense|self_attn\.out_proj)\.", ".attn.proj."),
        (r"\.(?:layernorm_before|layer_norm1)\.", ".norm1."),
        (r"\.(?:layernorm_after|layer_norm2)\.", ".norm2."),
        (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
        (r"\.intermediate\.dense\.", ".mlp.fc1."),
        (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
        (r"\.mlp\.weights_in\.", ".mlp.w12."),
        (r"\.mlp\.weights_out\.", ".mlp.w3."),
        (r"^(?:post_)?layernorm\.", "norm."),
        # The attention with which SigLIP pools.
        (r"^head\.probe$", "attn_pool.latent"),
        (r"^head\.attention\.in_proj_", "attn_pool.qkv."),
        (r"^head\.attention\.out_proj\.", "attn_pool.proj."),
        (r"^head\.layernorm\.", "attn_pool.norm."),
        (r"^head\.mlp\.", "attn_pool.mlp."),
    )
)


def adapt(state: Mapping[str, Any], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Bring what a file holds to the names of a network of timm, and the places of its patches to its size."""
    state = dict(next((state[name] for name in _WRAPPERS if name in state), state))
    if any("embeddings.patch_embedding" in name for name in state):
        state = _from_transformers(state)
    else:
        state = _unwrapped(state, network.state_dict())
    # timm keeps beside each model what turns its authors' spellings into its own.
    known = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    return known(state, network, **_resampling(network)) if known else state


def _from_transformers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {_renamed(name): tensor for name, tensor in state.items()}
    if renamed["pos_embed"].ndim == 2:
        renamed["pos_embed"] = renamed["pos_embed"][None]
    for name in [name for name in renamed if ".attn.q." in name]:
        parts = [renamed.pop(name.replace(".attn.q.", f".attn.{letter}.")) for letter in "qkv"]
        renamed[name.replace(".attn.q.", ".attn.qkv.")] = torch.cat(parts)
    for name in [name for name in renamed if name.startswith("attn_pool.qkv.")]:
        query, *others = renamed.pop(name).chunk(3)
        renamed[name.replace("qkv", "q")] = query
        renamed[name.replace("qkv", "kv")] = torch.cat(others)
    return renamed


def _renamed(name: str) -> str:
    for pattern, theirs in _FROM_TRANSFORMERS:
        name = pattern.sub(theirs, name)
    return name


def _unwrapped(state: dict[str, torch.Tensor], wanted: Iterable[str]) -> dict[str, torch.Tensor]:
    """Take a network out of whatever it was part of, such as the ``encoder.`` of Zoobot's own checkpoints."""
    names = [name for name in wanted if not name.endswith("num_batches_tracked")]
    for name in state:
        prefix = name.removesuffix(names[0])
        # An author's names are not all timm's.
        if prefix.endswith(".") and prefix != name and sum(prefix + each in state for each in names) > len(names) / 2:
            return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return state


def _resampling(network: torch.nn.Module) -> dict[str, Any]:
    """Say how RADIO brings the places of its patches to another size, which is not how the others do it."""
    name = str(network.pretrained_cfg.get("architecture"))
    if "radio" not in name:
        return {}
    aligned = name.endswith(("base_patch16_radio_v3", "huge_patch16_radio_v3"))
    return {"interpolation": "bilinear", "antialias": False, "align_corners": aligned}
