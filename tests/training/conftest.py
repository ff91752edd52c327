"""All tests of this room need torch, timm, lightning and peft; networks are tiny and have random weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install astrotl[torch]")
for package in ("timm", "lightning", "peft"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install astrotl[torch]")


def pytest_collection_modifyitems(items):
    for item in items:
        if "/training/" in item.path.as_posix():
            item.add_marker(pytest.mark.torch)


@pytest.fixture(autouse=True)
def _one_thread():
    """Threads wait for each other longer than such small networks take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Save the weights of a small network of timm, drawn by lot, as ``weights(model)``."""
    import timm
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")

    def save(model):
        path = folder / f"{model}.safetensors"
        if not path.exists():
            torch.manual_seed(0)
            network = timm.create_model(model, pretrained=False, num_classes=0)
            for layer in network.modules():
                if isinstance(layer, torch.nn.BatchNorm2d):
                    # What training would have left there.
                    layer.momentum = None
            soft = torch.nn.functional.interpolate(torch.rand(16, 3, 9, 9), network.pretrained_cfg["input_size"][1:])
            with torch.no_grad():
                network.train()(soft)
            save_file(network.state_dict(), path)
        return str(path)

    return save


@pytest.fixture(scope="session")
def stripes():
    """Images of stripes in noise, lying or standing, that a network has to learn to see, and their labels."""
    return striped(90, noise=0.3)


@pytest.fixture(scope="session")
def faint_stripes():
    """More of them, in more noise."""
    return striped(240, noise=0.5)


def striped(count, noise):
    from astropy.table import Table

    from astrotl.sources import ArraySource

    rng = np.random.default_rng(3)
    standing = rng.random(count) < 0.5
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    pixels = np.arange(32)
    across = np.where(standing[:, None, None], pixels[None, None, :], pixels[None, :, None])
    images = 0.5 + 0.3 * np.sin(0.8 * across + phase) + rng.normal(0, noise, (count, 32, 32))
    source = ArraySource(images[:, None], ids=[f"s{number:03}" for number in range(count)])
    labels = Table({"id": source.ids, "kind": np.where(standing, "standing", "lying")})
    labels["slope"] = standing + rng.normal(0, 0.05, count)
    labels["field"] = np.arange(count) // 3
    return source, labels


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def taught(stripes, weights, folder):
    """Teach the small network to tell stripes, as ``taught(method, **settings)``; turned, lying ones would stand."""

    from astrotl.neural import Timm
    from astrotl.training import finetune

    def teach(path="stripes.safetensors", column="kind", model="test_resnet", data=stripes, **settings):
        base = Timm(model, weights=weights(model), size=32)
        known = {"extractor": base, "augment": None, "epochs": 4, "batch": 16}
        return finetune(*data, column, path, **{**known, **settings})

    return teach


@pytest.fixture
def teach(weights, folder):
    """Teach a small network to find stars, as ``teach(path, model, data, **settings)``."""

    from astrotl.neural import Timm
    from astrotl.training import train_detector
    from tests.training.stars import starry

    def run(path="stars.safetensors", model="test_efficientnet", data=None, bands=3, **settings):
        base = Timm(model, weights=weights(model), bands=bands)
        given = {"extractor": base, "epochs": 2, "width": 32, **settings}
        return train_detector(*(data or starry(bands=bands)), path, **given)

    return run


@pytest.fixture
def bars():
    """A bar for ``progress``, and what each has counted: what for, how many in all, and how many were done."""
    seen = []

    class Bar:
        def __init__(self, total, unit, initial=0, desc=""):
            seen.append([desc, total, initial])

        def update(self, count):
            seen[-1][2] += count

        def close(self):
            pass

    return Bar, seen
