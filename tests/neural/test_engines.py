"""Engines: whatever runs a network gives the features of plain torch, or is not used."""

import importlib.util
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from astrotl import Concat, FeatureStore, extract_features, simulate
from astrotl.errors import AstrotlWarning, MissingDependencyError
from astrotl.preprocess import FillNoData, Resize, Stretch
from astrotl.sources import ArraySource

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
neural = pytest.importorskip("astrotl.neural")
safetensors = pytest.importorskip("safetensors.torch")
needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")


@pytest.fixture(scope="module")
def stamps():
    return FillNoData()(Stretch()(simulate.stamps(10, seed=8)[0]))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Save a network's weights, drawn by lot, and give the path."""
    folder = tmp_path_factory.mktemp("weights")

    def save(model):
        path = folder / f"{model}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            safetensors.save_file(timm.create_model(model, pretrained=False).state_dict(), path)
        return str(path)

    return save


def cosines(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def network(model, weights, **settings):
    return (
        neural.EfficientNetLite0(**settings)
        if model == "lite0"
        else neural.Timm(model, weights=weights(model), **settings)
    )


@needs_openvino
@pytest.mark.parametrize("model", ["lite0", "resnet10t", "vit_tiny_patch16_224"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_openvino_gives_the_features_of_torch(stamps, weights, model, precision):
    made = network(model, weights, engine="openvino", precision=precision)
    batch = Resize(made.input.size)(stamps)
    expected = network(model, weights, engine="torch").extract(batch)
    features = made.extract(batch)
    assert made.runs_on() == f"openvino on cpu in {precision}"
    if precision == "float32":
        assert np.abs(features - expected).max() / np.abs(expected).max() < 1e-4
    else:
        # Fifty light layers with real weights lose more to rounding, in torch as well.
        assert cosines(features, expected).min() > (0.997 if model == "lite0" else 0.9999)


def test_torch_in_bfloat16(stamps, weights):
    batch = Resize(176)(stamps)
    expected = network("resnet10t", weights, engine="torch").extract(batch)
    features = network("resnet10t", weights, engine="torch", precision="bfloat16").extract(batch)
    assert features.dtype == np.float32
    assert 0.9999 < cosines(features, expected).min() < 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++, which is not here")
def test_compiled_by_torch(stamps, weights):
    batch = Resize(176)(stamps)
    made = network("resnet10t", weights, engine="compile", batch=4)
    expected = network("resnet10t", weights, engine="torch").extract(batch)
    assert np.abs(made.extract(batch) - expected).max() / np.abs(expected).max() < 1e-4
    assert made.runs_on().startswith("torch compiled on ")


@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=needs_openvino)])
def test_many_threads_at_once_get_their_own_features(stamps, weights, engine):
    batch = Resize(176)(stamps)
    made = network("resnet10t", weights, engine=engine, batch=2)
    rows = [np.random.default_rng(seed).permutation(len(batch))[: 1 + seed % 10] for seed in range(40)]
    alone = made.extract(batch)
    with ThreadPoolExecutor(8) as pool:
        for chosen, features in zip(rows, pool.map(lambda some: made.extract(batch.select(some)), rows), strict=True):
            np.testing.assert_allclose(features, alone[chosen], rtol=1e-4, atol=1e-5)


@needs_openvino
def test_openvino_goes_on_after_an_error_while_others_fly(weights, monkeypatch):
    made = network("resnet10t", weights, engine="openvino", batch=1)
    good = np.random.default_rng(1).random((6, 3, 176, 176), dtype=np.float32)
    expected = made._extract(good)

    class Interrupted(np.ndarray):
        """Lets two images through and no more."""

        def __getitem__(self, rows):
            if isinstance(rows, slice) and rows.start == 2:
                raise KeyboardInterrupt
            return np.asarray(super().__getitem__(rows))

    for _ in range(10):
        monkeypatch.setattr(np, "ascontiguousarray", lambda images: images)
        with pytest.raises(KeyboardInterrupt):
            made._extract(good.view(Interrupted))
        monkeypatch.undo()
        np.testing.assert_array_equal(made._extract(good), expected)


@needs_openvino
def test_openvino_that_is_missing_is_said_before_an_old_store_is_gone(tmp_path, weights, monkeypatch):
    source = ArraySource(simulate.stamps(3, seed=1)[0].data)
    store = extract_features(source, "profiles", tmp_path / "f.h5")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r'the engine openvino needs.*pip install "astrotl\[torch\]"'):
        extract_features(source, network("lite0", weights, engine="openvino"), store.path, overwrite=True)
    assert len(FeatureStore(store.path).done()) == 3


def test_many_threads_start_one_engine(stamps, weights, monkeypatch):
    from astrotl.neural import backbone

    started = []
    start = backbone.start_engine
    monkeypatch.setattr(backbone, "start_engine", lambda *given: started.append(given) or start(*given))
    made = network("resnet10t", weights, engine="torch")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(made.extract, [Resize(176)(stamps).select(slice(0, 2))] * 4))
    assert len(started) == 1


def test_what_is_kept_of_cudnn_is_all_but_its_rounding():
    from astrotl.neural.engines import _full_digits

    before = torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    with _full_digits():
        now = torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.allow_tf32
    assert now == before


class Undecided(torch.nn.Module):
    """Looks at its images before it chooses a way, which no conversion can follow."""

    pretrained_cfg: ClassVar = {
        "input_size": (3, 32, 32),
        "mean": (0, 0, 0),
        "std": (1, 1, 1),
        "architecture": "undecided",
    }

    def forward_features(self, images):
        return images if float(images.mean()) < 0.1 else images**2


class Unconvertible(Undecided):
    def forward_features(self, images):
        return torch.special.bessel_j0(images)


class Chosen(neural.Backbone):
    def __init__(self, network, engine="auto", precision="float32"):
        self.network = network
        self.engine = engine
        self.precision = precision
        self.batch = None

    def _create(self):
        return self.network(), "average"


@needs_openvino
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is chosen before OpenVINO")
@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_an_engine_that_gives_other_features_is_not_used(engine):
    images = np.random.default_rng(1).random((4, 3, 32, 32), dtype=np.float32)
    made = Chosen(Undecided, engine)
    with pytest.warns(AstrotlWarning, match=r"engine: openvino in float32 gives other features than torch \(by "):
        assert made.runs_on() == "torch on cpu in float32"
    np.testing.assert_allclose(made._extract(images), (images**2).mean((2, 3)), rtol=1e-5)


@needs_openvino
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is chosen before OpenVINO")
def test_a_network_that_openvino_cannot_take_runs_on_torch_unless_openvino_was_asked_for():
    with pytest.warns(AstrotlWarning, match=r"engine: openvino in float32 fails \(.*so it is not used"):
        assert Chosen(Unconvertible).runs_on() == "torch on cpu in float32"
    with pytest.raises(Exception, match=r"(?i)bessel"):
        Chosen(Unconvertible, "openvino").runs_on()


class Coarse(Undecided):
    """Keeps only what bfloat16 rounds away."""

    def forward_features(self, images):
        return (images + 1000) @ torch.eye(images.shape[-1]) - 1000


@needs_openvino
def test_a_network_that_bfloat16_would_spoil_runs_in_float32():
    spoilt = Chosen(Coarse, "torch", "bfloat16")
    with pytest.warns(AstrotlWarning, match=r"torch in bfloat16 gives other features than torch \(cosine"):
        assert spoilt.runs_on() == "torch on cpu in float32"
    # What it is known by is what it does, lest the two be mixed in one store.
    assert spoilt.signature()["parameters"]["precision"] == "float32"


@needs_openvino
def test_a_store_begun_with_one_engine_is_finished_with_another(tmp_path, weights):
    images, _ = simulate.stamps(6, seed=1)
    source = ArraySource(images.data)
    store = extract_features(source, network("lite0", weights, engine="torch"), tmp_path / "f.h5", block=2)
    assert store.provenance["runs_on"] == "torch on cpu in float32"
    whole = store.features()
    store.write([0, 1], np.ones((2, 1280)))
    with store.lock():
        pass
    import h5py

    with h5py.File(store.path, "r+") as file:
        file["done"][:2] = 0
    again = extract_features(source, network("lite0", weights, engine="openvino"), tmp_path / "f.h5")
    np.testing.assert_allclose(again.features(), whole, rtol=1e-3, atol=1e-4)
    assert network("lite0", weights, precision="bfloat16").signature() != again.provenance["extractor"]


@needs_openvino
def test_parts_side_by_side_say_what_runs_each():
    both = Concat(["efficientnet-lite0", "efficientnet-lite0@0.5", "profiles"])
    assert both.runs_on().endswith(", astrotl")
    assert Concat([neural.EfficientNetLite0(batch=64), "profiles"]).at_once == 64
