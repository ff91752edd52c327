"""Networks taught on three labelled sets, each three times, and what each part of the recipe brought."""

from astropy.table import Table

from astrotl import Concat, extract_features
from astrotl.learn import probe
from astrotl.learn.scoring import labelled
from astrotl.neural import Timm
from astrotl.preprocess import ClipNoise, CropCentre, Stretch
from astrotl.training import finetune
from tests.benchmarks.learning import sets
from tests.benchmarks.learning.rows import SEEDS, Row, measured, together

LITE, MOBILE = "EfficientNet-Lite0", "MobileNetV2"
WEIGHTS = {
    LITE: ("tf_efficientnet_lite0", "pip"),
    MOBILE: ("mobilenetv2_100", str(sets.WEIGHTS / "mobilenetv2_100.safetensors")),
}

#: The size of the images, the steps and the settings. Crops and networks were looked at with the reported seeds among
#: others, before there was anything to train; the settings of training were chosen with seeds from 10 on.
RECIPES = {
    "galaxies": (160, (CropCentre(fraction=0.6), Stretch()), {"validation": 0.1, "rate": 1e-3}),
    "radio": (128, (ClipNoise(3.0), CropCentre(fraction=0.75), Stretch()), {"batch": 16, "rate": 1e-3}),
    "spectra": (96, (CropCentre(fraction=0.25), Stretch()), {"validation": 0.1, "rate": 1e-3}),
}
#: The set, the network, the fraction of the labels, the method, and the goal.
FIGURES = (
    ("spectra", LITE, 1.0, "head", ""),
    ("spectra", LITE, 1.0, "whole", "0.85"),
    ("radio", LITE, 1.0, "head", ""),
    ("radio", LITE, 1.0, "whole", "0.85"),
    ("radio", LITE, 1.0, "lora", ""),
    ("galaxies", MOBILE, 0.1, "head", ""),
    ("galaxies", MOBILE, 0.1, "whole", "0.62"),
    ("galaxies", MOBILE, 0.3, "head", ""),
    ("galaxies", MOBILE, 0.3, "whole", "0.70"),
    ("galaxies", LITE, 1.0, "head", ""),
    ("galaxies", LITE, 1.0, "whole", "0.78"),
)


def jobs():
    """List all trainings."""
    return [(*figure[:4], seed) for figure in FIGURES for seed in SEEDS]


def teach(name, network, fraction, method, seed):
    """Teach one network, or open it if it was taught before."""
    size, steps, settings = RECIPES[name]
    model, weights = WEIGHTS[network]
    source, labels, column = getattr(sets, name)()
    if method != "whole":
        settings = {key: value for key, value in settings.items() if key != "rate"}
    return finetune(
        source,
        labels,
        column,
        sets.KEPT / f"{name}-{model}-{method}-{fraction:g}-{seed}.safetensors",
        extractor=Timm(model, weights=weights, size=size, turns=True),
        steps=steps,
        method=method,
        fraction=fraction,
        seed=seed,
        **settings,
    )


def rows():
    yield from _plain()
    for name, network, fraction, method, goal in FIGURES:
        found = [measured(teach(name, network, fraction, method, seed).tested) for seed in SEEDS]
        yield Row(f"{name}, {fraction:.0%}: {network}, {method}", found, goal)
    yield from _sure()
    yield from _with_profiles()


def _plain():
    """What a logistic head says on the default features of whole stamps: where all this begins."""
    for name, fractions in (("spectra", (1.0,)), ("radio", (1.0,)), ("galaxies", (0.1, 0.3, 1.0))):
        source, labels, column = getattr(sets, name)()
        store = extract_features(source, "efficientnet-lite0", sets.KEPT / f"{name}-plain.h5")
        for fraction in fractions:
            found = [measured(probe(store, labels, column, fraction=fraction, seed=seed)) for seed in SEEDS]
            yield Row(f"{name}, {fraction:.0%}: whole stamps, linear head", found)


def _sure():
    """The radio galaxies of which those who labelled them were sure; the network learned from all."""
    labels = Table.read(sets.DATA / "radio_fr.csv")
    sure = {str(row) for row, word in enumerate(labels["confidence"]) if word == "confident"}
    found = [teach("radio", LITE, 1.0, "whole", seed).tested for seed in SEEDS]
    kept = [table[[name in sure for name in table["id"]]] for table in found]
    yield Row("radio: whole, on those sure of their class", [measured(table) for table in kept])


def _with_profiles():
    """What a network of colours knows, and what rings of brightness know, averaged."""
    source, labels, column = sets.spectra()
    views = Concat(["profiles@0.25", "profiles@0.5"])
    store = extract_features(source, views, sets.KEPT / "spectra-profiles.h5")
    rings = [labelled(probe(store, labels, column, head="forest", seed=seed)) for seed in SEEDS]
    yield Row("spectra: profiles of two crops, forest", [measured(table) for table in rings])
    networks = [teach("spectra", LITE, 1.0, "whole", seed).tested for seed in SEEDS]
    both = [measured(together(one, other)) for one, other in zip(networks, rings, strict=True)]
    yield Row("spectra: whole and profiles, averaged", both, "0.85")
