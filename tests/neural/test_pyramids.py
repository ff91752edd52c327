"""Maps of several scales out of any network, each place where its stride says, and a detector that cuts them right."""

import numpy as np
import pytest
import timm
import torch

from astrotl.neural.anchors import Anchors, fit_anchors
from astrotl.neural.pyramids import Pyramid, strides_of
from astrotl.neural.rcnn import Design, assemble
from astrotl.neural.small import small_network


def network(name, **settings):
    torch.manual_seed(0)
    return timm.create_model(name, num_classes=0, **settings).eval()


NETWORKS = {
    "stages": lambda: network("test_resnet"),
    "efficientnet": lambda: network("test_efficientnet"),
    "convnext": lambda: network("test_convnext"),
    "vit": lambda: network("test_vit", img_size=64),
    "vit of 14 px": lambda: network("vit_tiny_patch16_224", patch_size=14, img_size=84, depth=1),
    "windows": lambda: network("swin_tiny_patch4_window7_224", img_size=64, embed_dim=24, depths=(1, 1, 1, 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_places_lie_as_far_apart_as_the_strides_say(name):
    made = NETWORKS[name]()
    side = 84 if "14" in name else 64
    strides = strides_of(made)
    assert len(strides) >= 3
    for some in (strides, strides[:1], strides[1:]):
        maps = Pyramid(made, some, 32).eval()(torch.rand(2, 3, side, side))
        assert [tuple(each.shape) for each in maps.values()] == [(2, 32, side // s, side // s) for s in some]
        assert list(maps) == [str(number) for number in range(len(some))]


@pytest.mark.parametrize("width", [16, 50, 100, 256])
def test_maps_have_any_width(width):
    for made in (NETWORKS["stages"](), NETWORKS["vit"]()):
        maps = Pyramid(made, strides_of(made), width)(torch.rand(1, 3, 64, 64))
        assert {each.shape[1] for each in maps.values()} == {width}


def test_what_is_bright_is_bright_in_every_map_where_it_is():
    made = NETWORKS["convnext"]()
    pyramid = Pyramid(made, strides_of(made)[:2], 16).eval()
    image = torch.rand(1, 3, 64, 64) * 0.01
    moved = image.clone()
    moved[:, :, 40:44, 8:12] += 1
    with torch.inference_mode():
        for before, after in zip(pyramid(image).values(), pyramid(moved).values(), strict=True):
            change = (after - before).abs().sum((0, 1))
            y, x = np.unravel_index(int(change.argmax()), change.shape)
            stride = 64 / len(change)
            assert abs((y + 0.5) * stride - 42) <= stride
            assert abs((x + 0.5) * stride - 10) <= stride


def test_a_network_without_maps_is_refused():
    with pytest.raises(ValueError, match=r"extractor: timm gives no maps of .*; take another network"):
        strides_of(small_network("stamps_turning", 3, 32))


@pytest.mark.parametrize("name", ["stages", "vit of 14 px"])
def test_a_detector_takes_its_cells_from_where_the_boxes_are(name):
    made = NETWORKS[name]()
    size, strides = (84, (7, 14)) if "14" in name else (64, (4, 8))
    design = Design(("a", "b"), 100, size, 20, 16, Anchors(strides, ((6.0, 9.0), (16.0, 24.0)), (1.0,)), 0.3)
    assert Design.of(design.described()) == design
    model = assemble(made, [0.5] * 3, [0.5] * 3, design).eval()
    boxes = torch.tensor([[10.0, 40, 26, 56], [30, 6, 48, 24]])
    # Maps that say where each place is.
    maps = {}
    for number, stride in enumerate(strides):
        at = (torch.arange(size // stride) + 0.5) * stride
        maps[str(number)] = torch.stack(torch.meshgrid(at, at, indexing="xy"))[None]
    cells = model.roi_heads.box_roi_pool(maps, [boxes], [(size, size)])
    middles = torch.stack([boxes[:, [0, 2]].mean(1), boxes[:, [1, 3]].mean(1)], 1)
    # torchvision takes the middle of the first place for its edge, in all maps alike.
    torch.testing.assert_close(cells.mean((2, 3)) - middles, torch.full((2, 2), strides[0] / 2))
    with torch.inference_mode():
        (answer,) = model([torch.rand(3, 100, 100)])
    assert answer["boxes"].min() >= 0
    assert answer["boxes"].max() <= 100
    assert set(answer["labels"].tolist()) <= {1, 2}


def test_anchors_of_real_sizes_make_a_detector():
    made = NETWORKS["efficientnet"]()
    sides = np.random.default_rng(1).uniform(4, 60, (2, 50))
    design = Design(("a",), 64, 64, 20, 16, fit_anchors(*sides, strides_of(made)), 0.3)
    losses = assemble(made, [0.5] * 3, [0.5] * 3, design).train()(
        [torch.rand(3, 64, 64)], [{"boxes": torch.tensor([[4.0, 4, 20, 30]]), "labels": torch.tensor([1])}]
    )
    assert all(torch.isfinite(loss) for loss in losses.values())
