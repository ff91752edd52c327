"""What ships with astrotl, brought in by the same door as anybody's plugin."""

from __future__ import annotations

from astrotl.hookspecs import hookimpl


@hookimpl
def astrotl_extractors() -> dict[str, str]:
    """The extractors that ship."""
    return {
        "concat": "astrotl.extractors.concat:Concat",
        "efficientnet-lite0": "astrotl.neural.presets:EfficientNetLite0",
        "profiles": "astrotl.extractors.profiles:Profiles",
        "timm": "astrotl.neural.backbone:Timm",
        "ulisse": "astrotl.neural.presets:Ulisse",
    }


@hookimpl
def astrotl_tasks() -> dict[str, str]:
    """The tasks that ship."""
    return {"similar": "astrotl.tasks.similar:Similar"}
