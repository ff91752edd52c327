"""Weights in the layouts of their authors: the features are those that the authors' own code gives."""

import numpy as np
import pytest

from astrotl import ImageBatch

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
neural = pytest.importorskip("astrotl.neural")

_SHAPE = {"embed_dim": 32, "depth": 2, "num_heads": 2, "mlp_ratio": 2.0}


def _tiny(name, **settings):
    """Register a transformer small enough for tests, as timm registers its own."""

    def create(pretrained=False, **given):
        made = {"img_size": 32, "patch_size": 8, **_SHAPE, **settings, **given}
        return timm.models.vision_transformer._create_vision_transformer(name, pretrained=pretrained, **made)

    create.__name__ = name
    create.__module__ = __name__
    timm.models.register_model(create)


_tiny("tiny_plain")
_tiny("tiny_dinov2", init_values=1.0)
_tiny("tiny_dinov2_registers", init_values=1.0, reg_tokens=4, no_embed_class=True)
_tiny("tiny_siglip", class_token=False, global_pool="map", act_layer="gelu_tanh")
# The first resamples with its corners aligned, the second without.
for _name in ("tiny_base_patch16_radio_v3", "tiny_large_patch16_radio_v3"):
    _tiny(_name, init_values=1.0, reg_tokens=7, no_embed_class=True, final_norm=False)


@pytest.fixture
def images():
    return np.random.default_rng(0).random((3, 3, 32, 32), dtype="f4")


def features(model, path, images, **settings):
    made = neural.Timm(model, weights=str(path), engine="torch", **settings)
    return made.extract(ImageBatch(images, [str(row) for row in range(len(images))], tuple("rgb")))


def scaled(images):
    """Scale images as the weights expect them, which is as on ImageNet here."""
    mean, std = timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD
    mean, std = (np.array(each, "f4")[:, None, None] for each in (mean, std))
    return torch.from_numpy((images - mean) / std)


def theirs(kind, **settings):
    """Make a small model of the package transformers, with no weight left at nothing, and ask it."""
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    inner = {"mlp_ratio": 2} if kind.startswith("Dinov2") else {"intermediate_size": 64}
    config = kind.replace("ForPreTraining", "").replace("Model", "") + "Config"
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config)(**shape, **inner, **settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "model", "pooling"),
    [
        ("ViTMSNModel", "tiny_plain", "cls"),
        ("ViTMSNModel", "tiny_plain", "average"),
        ("ViTMAEModel", "tiny_plain", "cls"),
        ("ViTMAEForPreTraining", "tiny_plain", "cls"),
        ("Dinov2Model", "tiny_dinov2", "cls"),
        ("Dinov2WithRegistersModel", "tiny_dinov2_registers", "average"),
        ("SiglipVisionModel", "tiny_siglip", "own"),
        ("SiglipVisionModel", "tiny_siglip", "average"),
    ],
)
def test_weights_of_transformers_give_its_own_features(kind, model, pooling, images, tmp_path):
    # Transformers' MAE divides by 1e-12 where there is no spread, that of its authors and timm's by 1e-6.
    asked = theirs(kind, **({"mask_ratio": 0.0, "layer_norm_eps": 1e-6} if "MAE" in kind else {}))
    asked.save_pretrained(tmp_path)
    asked = getattr(asked, "vit", asked)
    with torch.inference_mode():
        # MAE shuffles the patches, even where it masks none, by the order of this noise.
        order = {"noise": torch.arange(16.0).expand(3, 16)} if "MAE" in kind else {}
        said = asked(scaled(images), **order)
    tokens = said.last_hidden_state
    first = tokens.shape[1] - 16
    expected = {
        "cls": tokens[:, 0],
        "average": tokens[:, first:].mean(1),
        "own": getattr(said, "pooler_output", None),
    }[pooling]
    settings = {"pooling": pooling, "size": 32}
    np.testing.assert_allclose(
        features(model, tmp_path / "model.safetensors", images, **settings), expected.numpy(), atol=1e-5
    )


@pytest.fixture
def network():
    """A small transformer with its classifier, whose weights are drawn by lot."""
    torch.manual_seed(0)
    return timm.create_model("tiny_plain", num_classes=10).eval()


def wrapped(state, how):
    """Put weights into a file as their authors do."""
    return {
        "MAE": {"model": state},
        "MSN": {
            "target_encoder": {f"module.{name}": tensor for name, tensor in state.items()},
            "encoder": {f"module.{name}": torch.zeros_like(tensor) for name, tensor in state.items()},
            "epoch": 800,
        },
        "DINO": {"teacher": {f"backbone.{name}": tensor for name, tensor in state.items()}, "epoch": 100},
        "Lightning": {"state_dict": {f"encoder.{name}": tensor for name, tensor in state.items()}, "global_step": 1},
    }[how]


@pytest.mark.parametrize("how", ["MAE", "MSN", "DINO", "Lightning"])
def test_weights_are_found_in_the_checkpoints_of_those_who_trained_them(how, network, images, tmp_path):
    torch.save(wrapped(network.state_dict(), how), tmp_path / "checkpoint.pth")
    with torch.inference_mode():
        expected = network.forward_features(scaled(images))[:, 0].numpy()
    given = features("tiny_plain", tmp_path / "checkpoint.pth", images, pooling="cls", size=32)
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.parametrize("registers", [0, 4])
def test_weights_of_dinov2s_authors(registers, images, tmp_path):
    """They add the place of the class token to it, and name registers otherwise than timm."""
    torch.manual_seed(0)
    name = "tiny_dinov2_registers" if registers else "tiny_dinov2"
    network = timm.create_model(name).eval()
    torch.nn.init.normal_(network.cls_token)
    state = dict(network.state_dict())
    state["mask_token"] = torch.zeros(1, 32)
    if registers:
        state["register_tokens"] = state.pop("reg_token")
        state["pos_embed"] = torch.cat([torch.ones(1, 1, 32), state["pos_embed"]], dim=1)
        state["cls_token"] = state["cls_token"] - 1
    torch.save(state, tmp_path / "dinov2.pth")
    with torch.inference_mode():
        expected = network.forward_features(scaled(images))[:, 0].numpy()
    given = features(name, tmp_path / "dinov2.pth", images, pooling="cls", size=32)
    np.testing.assert_allclose(given, expected, atol=1e-5)


def as_nvidia(network, *, grid):
    """Spell the weights of a small RADIO as NVIDIA does, with a place for each patch of a large image."""
    state = network.state_dict()
    prefix = "radio_model.model."
    made = {f"{prefix}{name}": tensor for name, tensor in state.items() if name.startswith("blocks.")}
    made[f"{prefix}patch_generator.embedder.weight"] = state["patch_embed.proj.weight"].flatten(1)
    made[f"{prefix}patch_generator.pos_embed"] = torch.randn(1, grid**2, 32)
    made[f"{prefix}patch_generator.cls_token.token"] = torch.cat([state["cls_token"][0], state["reg_token"][0]])
    made["radio_model.input_conditioner.norm_mean"] = torch.zeros(3, 1, 1)
    return {name: tensor.contiguous() for name, tensor in made.items()}


@pytest.mark.skipif(not timm.is_model("vit_base_patch16_radio_v3"), reason="this timm knows no RADIO yet")
@pytest.mark.parametrize("name", ["tiny_base_patch16_radio_v3", "tiny_large_patch16_radio_v3"])
@pytest.mark.parametrize("size", [32, 48])
def test_weights_of_radios_makers_at_any_size(name, size, tmp_path):
    """timm's own loading is the measure: it resamples the places of RADIO's patches as RADIO does."""
    torch.manual_seed(0)
    state = as_nvidia(timm.create_model(name), grid=8)
    safetensors.save_file(state, tmp_path / "radio.safetensors")
    settings = {"pretrained": True, "num_classes": 0, "img_size": size}
    network = timm.create_model(name, pretrained_cfg_overlay={"state_dict": state}, **settings).eval()
    images = np.random.default_rng(0).random((2, 3, size, size), dtype="f4")
    with torch.inference_mode():
        expected = network.forward_features(scaled(images))[:, 8:].mean(1).numpy()
    given = features(name, tmp_path / "radio.safetensors", images, pooling="average", size=size)
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_weights_are_not_taken_for_those_of_another_shape(network, images, tmp_path):
    safetensors.save_file(network.state_dict(), tmp_path / "plain.safetensors")
    with pytest.raises(neural.weights.WeightsError, match="these are not the weights of tiny_dinov2"):
        features("tiny_dinov2", tmp_path / "plain.safetensors", images, size=32)


def test_a_network_trained_with_five_bands_is_opened_with_five(tmp_path):
    torch.manual_seed(0)
    safetensors.save_file(timm.create_model("tiny_plain", in_chans=5).state_dict(), tmp_path / "five.safetensors")
    images = np.random.default_rng(0).random((2, 5, 32, 32), dtype="f4")
    made = neural.Timm("tiny_plain", weights=str(tmp_path / "five.safetensors"), bands=5, size=32, engine="torch")
    assert made.extract(ImageBatch(images, ["a", "b"], tuple("ugriz"))).shape == (2, 32)
