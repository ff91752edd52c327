"""What ships with astrotl, brought in by the same door as anybody's plugin."""

from __future__ import annotations

from astrotl.hookspecs import hookimpl


@hookimpl
def astrotl_extractors() -> dict[str, str]:
    """The extractors that ship."""
    return {
        "am-radio": "astrotl.neural.families:AMRadio",
        "arcs": "astrotl.extractors.arcs:Arcs",
        "concat": "astrotl.extractors.concat:Concat",
        "dinov2": "astrotl.neural.families:DINOv2",
        "efficientnet-b0": "astrotl.neural.families:EfficientNetB0",
        "efficientnet-lite0": "astrotl.neural.presets:EfficientNetLite0",
        "efficientnet-lite1": "astrotl.neural.presets:EfficientNetLite1",
        "efficientnet-lite2": "astrotl.neural.presets:EfficientNetLite2",
        "finetuned": "astrotl.neural.finetuned:Finetuned",
        "mae": "astrotl.neural.families:MAE",
        "mobilenetv2": "astrotl.neural.families:MobileNetV2",
        "msn": "astrotl.neural.families:MSN",
        "pixels": "astrotl.extractors.pixels:Pixels",
        "profiles": "astrotl.extractors.profiles:Profiles",
        "resnet18": "astrotl.neural.families:ResNet18",
        "resnet50": "astrotl.neural.families:ResNet50",
        "siglip": "astrotl.neural.families:SigLIP",
        "stamp-network": "astrotl.neural.small:StampNetwork",
        "timm": "astrotl.neural.backbone:Timm",
        "ulisse": "astrotl.neural.presets:Ulisse",
        "zoobot": "astrotl.neural.families:Zoobot",
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
