"""What ships with astrotl, brought in by the same door as anybody's plugin."""

from __future__ import annotations

from astrotl.hookspecs import hookimpl


@hookimpl
def astrotl_extractors() -> dict[str, str]:
    """The extractors that ship."""
    return {
        "arcs": "astrotl.extractors.arcs:Arcs",
        "concat": "astrotl.extractors.concat:Concat",
        "efficientnet-lite0": "astrotl.neural.presets:EfficientNetLite0",
        "profiles": "astrotl.extractors.profiles:Profiles",
        "timm": "astrotl.neural.backbone:Timm",
        "ulisse": "astrotl.neural.presets:Ulisse",
    }


@hookimpl
def astrotl_tasks() -> dict[str, str]:
    """The tasks that ship."""
    return {
        "agn": "astrotl.tasks.agn:Agn",
        "anomaly": "astrotl.tasks.anomaly:Anomaly",
        "epochs": "astrotl.tasks.epochs:Epochs",
        "lens": "astrotl.tasks.lens:Lens",
        "properties": "astrotl.tasks.properties:Properties",
        "similar": "astrotl.tasks.similar:Similar",
    }
