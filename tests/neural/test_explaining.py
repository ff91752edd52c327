"""Where networks look: attention is what the block itself computes, and pixels that cannot matter do not."""

import numpy as np
import pytest

from astrotl import ImageBatch, Profiles

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
safetensors = pytest.importorskip("safetensors.torch")
neural = pytest.importorskip("astrotl.neural")


@pytest.fixture
def network(tmp_path):
    """Make the extractor of a tiny network with random weights."""

    def make(model, **parameters):
        torch.manual_seed(4)
        made = timm.create_model(model, num_classes=0)
        path = tmp_path / f"{model}.safetensors"
        safetensors.save_file(made.state_dict(), path)
        return neural.Timm(model, weights=str(path), engine="torch", **parameters)

    return make


def batch_for(extractor, count=3):
    size = extractor.input.size
    images = np.random.default_rng(2).random((count, 3, size, size), dtype=np.float32)
    return ImageBatch(images, [f"g{row}" for row in range(count)], ("i", "r", "g"), value_range=(0, 1))


def softmax_of_last_block(module, batch):
    """Compute query times key of the last block by hand, from what goes into it."""
    block, seen = module.network.blocks[-1], []
    block.attn.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.inference_mode():
        module(torch.from_numpy(batch.data))
        q, k, _ = (
            block.attn.qkv(seen[0]).reshape(len(batch), -1, 3, block.attn.num_heads, block.attn.head_dim).unbind(2)
        )
        q, k = block.attn.q_norm(q.transpose(1, 2)), block.attn.k_norm(k.transpose(1, 2))
        return (q @ k.transpose(-2, -1) / block.attn.head_dim**0.5).softmax(-1).numpy()


@pytest.mark.parametrize("model", ["test_vit", "test_vit4"])
def test_attention_is_that_of_the_last_block(network, model):
    extractor = network(model)
    batch = batch_for(extractor)
    maps = neural.attention(extractor, batch)
    module = extractor.module()
    weights = softmax_of_last_block(module, batch)
    side, first = 10, module.prefix
    # The one has a class token, the other a register, which no patch asks.
    row = weights[:, :, 0, first:] if model == "test_vit" else weights[:, :, first:, first:].mean(axis=2)
    row = row / row.sum(axis=-1, keepdims=True)
    patches = maps.reshape(*maps.shape[:2], side, 16, side, 16).sum(axis=(3, 5))
    np.testing.assert_allclose(patches.reshape(row.shape), row, rtol=1e-4)


def test_attention_sums_to_one_and_is_as_large_as_the_image(network):
    extractor = network("test_vit")
    batch = batch_for(extractor, 6)
    maps = neural.attention(extractor, batch)
    heads = extractor.module().network.blocks[-1].attn.num_heads
    assert maps.shape == (6, heads, 160, 160)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps.sum(axis=(2, 3)), 1, rtol=1e-5)
    np.testing.assert_allclose(maps[5:], neural.attention(extractor, batch.select([5])), rtol=1e-5)


def test_attention_is_that_of_the_image_as_it_lies(network):
    plain, turning = network("test_vit"), network("test_vit", turns=True)
    batch = batch_for(plain, 5)
    np.testing.assert_array_equal(neural.attention(turning, batch), neural.attention(plain, batch))


def test_looking_changes_nothing(network):
    extractor = network("test_vit")
    batch = batch_for(extractor)
    before, signature = extractor.extract(batch), extractor.signature()
    neural.attention(extractor, batch)
    neural.saliency(extractor, batch)
    np.testing.assert_array_equal(extractor.extract(batch), before)
    assert extractor.signature() == signature
    assert extractor.module().network.blocks[-1].attn.fused_attn


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet"])
def test_a_network_without_attention_is_told_of_saliency(network, model):
    extractor = network(model)
    with pytest.raises(ValueError, match=f"extractor: {model} has no attention .* saliency works for any network"):
        neural.attention(extractor, batch_for(extractor))


class _Half(torch.nn.Module):
    """A network that sees the left half of an image only, and there the red channel twice as well."""

    pretrained_cfg = {"input_size": (3, 32, 32), "mean": (0, 0, 0), "std": (1, 1, 1)}  # noqa: RUF012
    num_prefix_tokens = 0

    def forward_features(self, images):
        return images[:, :, :, :16] * torch.tensor([2.0, 1.0, 1.0]).view(-1, 1, 1)


class Half(neural.Backbone):
    engine, precision, batch = "torch", "float32", None

    def _create(self):
        return _Half(), "average"


def test_pixels_that_cannot_matter_do_not():
    extractor = Half()
    maps = neural.saliency(extractor, batch_for(extractor))
    # Smoothing reaches no further than a pixel at this size.
    assert maps[:, :, 17:].max() == 0
    assert maps[:, :, :15].min() > 0
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_any_number_made_of_features_can_be_explained():
    extractor = Half()
    batch = batch_for(extractor)
    red = neural.saliency(extractor, batch, of=lambda features: features[:, 0])
    np.testing.assert_allclose(red[:, :, :15], red[0, 4, 4], rtol=1e-4)
    nothing = neural.saliency(extractor, batch, of=lambda features: 0 * features[:, 0])
    assert not nothing.any()


def test_saliency_finds_what_a_convolution_looks_at(network):
    extractor = network("test_resnet")
    batch = batch_for(extractor, 2)
    maps = neural.saliency(extractor, batch)
    assert maps.shape == (2, 160, 160)
    assert np.isfinite(maps).all()
    np.testing.assert_allclose(maps[1:], neural.saliency(extractor, batch.select([1])), rtol=1e-3, atol=1e-8)


def test_what_cannot_be_explained_is_said(network):
    extractor = Half()
    batch = batch_for(extractor)
    with pytest.raises(ValueError, match=r"extractor: must be a network, .*, got Profiles"):
        neural.saliency(Profiles(), batch)
    with pytest.raises(ValueError, match=r"of: must give one number for each image, got the shape \(4, 3\)"):
        neural.saliency(extractor, batch, of=lambda features: features)
    with pytest.raises(ValueError, match="images: Half expects 32 x 32 px"):
        neural.attention(extractor, ImageBatch(batch.data[:, :, :8], batch.ids, batch.channels))


def test_no_images_have_no_maps(network):
    extractor = network("test_vit")
    none = batch_for(extractor).select(slice(0))
    assert len(neural.attention(extractor, none)) == len(neural.saliency(extractor, none)) == 0
