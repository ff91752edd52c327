"""The families of pretrained networks that studies in astronomy compare, each under its name.

What its authors recommend is the default: the variant, the size of the images, the pooling, the mean and the deviation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import timm
import torch

from astrotl.errors import MissingDependencyError
from astrotl.neural.backbone import POOLINGS, Backbone, one_of
from astrotl.neural.weights import create_network

__all__ = [
    "AMRadio",
    "DINOv2",
    "EfficientNetB0",
    "Family",
    "MAE",
    "MSN",
    "MobileNetV2",
    "Published",
    "ResNet18",
    "ResNet50",
    "SigLIP",
    "Transformer",
    "Zoobot",
]


@dataclass(frozen=True)
class Published:
    """One network of a family: its name in timm, its number of features, and where its weights are.

    ``elsewhere`` is the file on the hub, ``"owner/repository/file"``, where timm has none of its own.
    """

    model: str
    dim: int
    elsewhere: str = ""

    @property
    def file(self) -> str:
        """The file on the hub."""
        return self.elsewhere or f"timm/{self.model}/model.safetensors"


class Family(Backbone):
    """A network of a studied family, as its authors recommend to use it.

    Parameters
    ----------
    weights : str, optional
        ``"pretrained"``, from the hub or its cache on this machine; or the path of a .safetensors or .pth file, in
        timm's layout or that of the authors.
    bands : int, optional
        The number of bands; other than three, the first layer is adapted to it.
    size : int, optional
        The width and height of the images in pixels, if not those that the authors use; for a transformer a multiple
        of its patches, to which the places of its patches are resampled.
    """

    #: The networks of the family by their variant; the only one is called by no name.
    networks: ClassVar[dict[str, Published]]
    #: The licence of the weights.
    licence: ClassVar[str]
    _pooling: ClassVar[str] = "average"
    _size: ClassVar[int | None] = None
    _expects: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        *,
        weights: str = "pretrained",
        bands: int = 3,
        size: int | None = None,
        turns: bool = False,
        engine: str = "auto",
        precision: str = "float32",
        batch: int | None = None,
    ) -> None:
        self.weights = weights
        self.bands = bands
        self.size = size
        self.turns = turns
        super().__init__(engine=engine, precision=precision, batch=batch)

    @classmethod
    def origin(cls) -> str:
        """Say where the weights come from, and under which licence."""
        places = ["  ".join(["", *filter(None, [variant, each.file])]) for variant, each in cls.networks.items()]
        return "\n".join([f"weights from the Hugging Face hub, licence {cls.licence}:", *places])

    def _create(self) -> tuple[torch.nn.Module, str]:
        variant = getattr(self, "variant", "")
        one_of("variant", variant, tuple(self.networks))
        pooling = getattr(self, "pooling", None) or self._pooling
        one_of("pooling", pooling, POOLINGS)
        chosen = self.networks[variant]
        name = chosen.model.partition(".")[0]
        if not timm.is_model(name):
            raise MissingDependencyError(
                f"{type(self).__name__} needs a newer timm, which knows {name}: pip install -U timm", name="timm"
            )
        size = self.size or self._size
        return create_network(
            chosen.model, self.weights, self.bands, size, source=chosen.elsewhere, expects=self._expects
        ), pooling


class Transformer(Family):
    """A vision transformer of a studied family.

    Parameters
    ----------
    variant : str, optional
        The size of the network, ``"base"`` or another of those that have weights.
    pooling : {"average", "cls", "tokens", "own"}, optional
        How the tokens become one vector: ``"average"`` over all patches; ``"cls"``, the class token; ``"tokens"``,
        both side by side; ``"own"``, as the network itself does. By default as its authors do: ``"cls"``, and for
        SigLIP ``"own"``, an attention of its own.
    """

    _pooling = "cls"

    def __init__(
        self,
        *,
        variant: str = "base",
        weights: str = "pretrained",
        pooling: str | None = None,
        bands: int = 3,
        size: int | None = None,
        turns: bool = False,
        engine: str = "auto",
        precision: str = "float32",
        batch: int | None = None,
    ) -> None:
        super().__init__(
            weights=weights, bands=bands, size=size, turns=turns, engine=engine, precision=precision, batch=batch
        )
        self.variant = variant
        self.pooling = pooling


class ResNet18(Family):
    """ResNet-18 trained on ImageNet, the small classic: 512 features.

    References
    ----------
    .. [1] He et al. 2016, CVPR, 770, arXiv:1512.03385
    """

    networks: ClassVar = {"": Published("resnet18.tv_in1k", 512)}
    licence = "BSD-3-Clause"


class ResNet50(Family):
    """ResNet-50 trained on ImageNet, the classic that most studies compare with: 2048 features.

    References
    ----------
    .. [1] He et al. 2016, CVPR, 770, arXiv:1512.03385
    """

    networks: ClassVar = {"": Published("resnet50.tv_in1k", 2048)}
    licence = "BSD-3-Clause"


class EfficientNetB0(Family):
    """EfficientNet-B0 trained on ImageNet, small and much used: 1280 features.

    References
    ----------
    .. [1] Tan & Le 2019, ICML 97, 6105, arXiv:1905.11946
    """

    networks: ClassVar = {"": Published("efficientnet_b0.ra_in1k", 1280)}
    licence = "Apache-2.0"


class MobileNetV2(Family):
    """MobileNetV2 trained on ImageNet, made for telephones: 1280 features.

    References
    ----------
    .. [1] Sandler et al. 2018, CVPR, 4510, arXiv:1801.04381
    """

    networks: ClassVar = {"": Published("mobilenetv2_100.ra_in1k", 1280)}
    licence = "Apache-2.0"


class MAE(Transformer):
    """MAE, a transformer that learned to fill in masked patches of ImageNet: 768 features.

    References
    ----------
    .. [1] He et al. 2022, CVPR, 16000, arXiv:2111.06377
    """

    networks: ClassVar = {
        "base": Published("vit_base_patch16_224.mae", 768),
        "large": Published("vit_large_patch16_224.mae", 1024),
        "huge": Published("vit_huge_patch14_224.mae", 1280),
    }
    licence = "CC-BY-NC-4.0"


class MSN(Transformer):
    """MSN, a transformer that learned to see masked and whole images of ImageNet alike: 768 features.

    References
    ----------
    .. [1] Assran et al. 2022, ECCV, 456, arXiv:2204.07141
    """

    networks: ClassVar = {
        "small": Published("vit_small_patch16_224", 384, "facebook/vit-msn-small/pytorch_model.bin"),
        "base": Published("vit_base_patch16_224", 768, "facebook/vit-msn-base/pytorch_model.bin"),
        "large": Published("vit_large_patch16_224", 1024, "facebook/vit-msn-large/pytorch_model.bin"),
    }
    licence = "Apache-2.0"
    # timm's networks of these names were trained otherwise, with another mean.
    _expects: ClassVar = {"mean": timm.data.IMAGENET_DEFAULT_MEAN, "std": timm.data.IMAGENET_DEFAULT_STD}


class DINOv2(Transformer):
    """DINOv2, a transformer that taught itself on 142 million chosen images, without labels: 768 features.

    It looks at 224 pixels as in its authors' tests by default; its weights were last trained with 518.

    References
    ----------
    .. [1] Oquab et al. 2024, TMLR, arXiv:2304.07193
    """

    networks: ClassVar = {
        "small": Published("vit_small_patch14_dinov2.lvd142m", 384),
        "base": Published("vit_base_patch14_dinov2.lvd142m", 768),
        "large": Published("vit_large_patch14_dinov2.lvd142m", 1024),
        "giant": Published("vit_giant_patch14_dinov2.lvd142m", 1536),
    }
    licence = "Apache-2.0"
    _size = 224


class SigLIP(Transformer):
    """SigLIP, a transformer that learned which caption of the web belongs to an image: 768 features.

    References
    ----------
    .. [1] Zhai et al. 2023, ICCV, 11975, arXiv:2303.15343
    """

    networks: ClassVar = {
        "base": Published("vit_base_patch16_siglip_224.webli", 768),
        "large": Published("vit_large_patch16_siglip_256.webli", 1024),
        "so400m": Published("vit_so400m_patch14_siglip_224.webli", 1152),
    }
    licence = "Apache-2.0"
    _pooling = "own"


class AMRadio(Transformer):
    """AM-RADIO, a transformer that learned from CLIP, SigLIP, DINOv2 and SAM at once (C-RADIOv3): 768 features.

    Its class token is the first of several that stand for its teachers. It needs timm 1.0.31 or newer.

    References
    ----------
    .. [1] Ranzinger et al. 2024, CVPR, 12490, arXiv:2312.06709
    """

    # Its makers' own files keep the places of patches for all sizes, those of timm for 512 pixels only.
    networks: ClassVar = {
        "base": Published("vit_base_patch16_radio_v3", 768, "nvidia/C-RADIOv3-B/model.safetensors"),
        "large": Published("vit_large_patch16_radio_v3", 1024, "nvidia/C-RADIOv3-L/model.safetensors"),
        "huge": Published("vit_huge_patch16_radio_v3", 1280, "nvidia/C-RADIOv3-H/model.safetensors"),
    }
    licence = "NVIDIA Open Model License"


class Zoobot(Family):
    """Zoobot, a ConvNeXt trained on the answers of Galaxy Zoo's volunteers to 820,000 galaxies: 640 features.

    Parameters
    ----------
    variant : {"nano", "tiny", "small", "base", "large"}, optional
        The size of the network.

    References
    ----------
    .. [1] Walmsley et al. 2023, JOSS 8, 5312
    .. [2] Walmsley et al. 2024, arXiv:2404.02973
    """

    networks: ClassVar = {
        variant: Published(f"convnext_{variant}", dim, f"mwalmsley/zoobot-encoder-convnext_{variant}/pytorch_model.bin")
        for variant, dim in {"nano": 640, "tiny": 768, "small": 768, "base": 1024, "large": 1536}.items()
    }
    licence = "Apache-2.0"
    _pooling = "own"
    # Its files name the mean of ImageNet, with which it began; it was trained on plain values from 0 to 1.
    _expects: ClassVar = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}

    def __init__(
        self,
        *,
        variant: str = "nano",
        weights: str = "pretrained",
        bands: int = 3,
        size: int | None = None,
        turns: bool = False,
        engine: str = "auto",
        precision: str = "float32",
        batch: int | None = None,
    ) -> None:
        super().__init__(
            weights=weights, bands=bands, size=size, turns=turns, engine=engine, precision=precision, batch=batch
        )
        self.variant = variant
