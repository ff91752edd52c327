"""Small networks for stamps: of the size that is asked for, seeing all ways alike, and taught from the start."""

import numpy as np
import pytest

from astrotl import ImageBatch

pytest.importorskip("torch")
pytest.importorskip("timm")

from astrotl.neural import StampNetwork

pytestmark = pytest.mark.torch


def stamps(size, bands=3):
    data = np.random.default_rng(1).random((4, bands, size, size))
    return ImageBatch(data, list("abcd"), tuple("xyzw"[:bands]), value_range=(0, 1))


@pytest.mark.parametrize("design", ["turning", "published"])
@pytest.mark.parametrize(("size", "bands"), [(63, 3), (32, 2)])
def test_features_for_stamps_of_any_size(design, size, bands):
    network = StampNetwork(design=design, size=size, bands=bands, engine="torch")
    features = network.extract(stamps(size, bands))
    assert features.shape == (4, network.dim)
    assert features.std(axis=0).max() > 0


def test_the_seed_decides_the_weights():
    first, again, other = (StampNetwork(seed=seed, engine="torch").signature() for seed in (1, 1, 2))
    assert first == again
    assert first["weights_sha256"] != other["weights_sha256"]


def test_the_turning_one_does_not_mind_how_a_stamp_lies():
    network = StampNetwork(size=32, engine="torch")
    batch = stamps(32)
    turned = batch.with_data(np.rot90(batch.data, 1, (2, 3))[..., ::-1].copy(), value_range=(0, 1))
    np.testing.assert_allclose(network.extract(turned), network.extract(batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("wrong", "said"), [({"design": "deep"}, "design"), ({"size": 8}, "size")])
def test_wrong_parameters_are_named(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}: "):
        _ = StampNetwork(**wrong).dim
