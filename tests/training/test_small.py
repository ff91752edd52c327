"""A small network is taught from the start, and goes through the same file as any other."""

from astrotl import extract_features
from astrotl.measures import accuracy
from astrotl.neural import Finetuned, StampNetwork
from astrotl.training import finetune


def test_a_small_network_learns_from_nothing(faint_stripes, tmp_path):
    source, labels = faint_stripes
    network = StampNetwork(design="published", size=32, bands=1, engine="torch")
    path = tmp_path / "stripes.safetensors"
    model = finetune(source, labels, "kind", path, extractor=network, rate=3e-3, decay=1.0, epochs=20, augment=None)
    assert accuracy(model.tested["label"], model.tested["predicted"]) > 0.9
    assert len(model.history) > 1
    again = Finetuned(path, engine="torch")
    assert again.turns is False
    store = extract_features(source, again, tmp_path / "stripes.h5")
    said = again.predict(store)
    assert accuracy(labels["kind"], said["predicted"]) > 0.9


def test_a_network_that_looks_from_all_sides_is_taught_and_opened_again(stripes, weights, tmp_path):
    from astrotl.neural import Timm

    source, labels = stripes
    network = Timm("test_resnet", weights=weights("test_resnet"), size=32, bands=1, turns=True, engine="torch")
    model = finetune(
        source, labels, "field", tmp_path / "a.safetensors", extractor=network, method="head", kind="numbers"
    )
    assert model.turns is True
    store = extract_features(source, model, tmp_path / "a.h5")
    tested = {row["id"]: row["predicted"] for row in model.tested}
    said = {row["id"]: row["predicted"] for row in model.predict(store)}
    assert max(abs(said[name] - value) for name, value in tested.items()) < 1e-3
