"""What is done to images: decided by a generator, gentle to pixels, and off where it is switched off."""

import numpy as np
import pytest
import torch

from astrotl.training import SkyAugment

OFF = {"mirror": False, "turn": 0, "shift": 0, "zoom": 0, "brightness": 0, "blur": 0, "noise": 0}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def galaxy(count=8, size=33, x=0.0, y=0.0, sigma=3.0):
    """Round galaxies in three bands, off the centre by x and y pixels."""
    line = torch.arange(size) - (size - 1) / 2
    image = 0.5 * torch.exp(-((line[None] - x) ** 2 + (line[:, None] - y) ** 2) / (2 * sigma**2))
    return image.expand(count, 3, size, size).clone()


def middle(images):
    """Where the light is, in pixels from the centre."""
    size = images.shape[-1]
    line = torch.arange(size) - (size - 1) / 2
    light = images[:, 0]
    total = light.sum((1, 2))
    return torch.stack([(light * line[None]).sum((1, 2)) / total, (light * line[:, None]).sum((1, 2)) / total], 1)


def test_all_switched_off_changes_nothing():
    images = torch.rand(5, 3, 16, 16)
    assert torch.equal(SkyAugment(**OFF)(images, generator()), images)


def test_the_generator_decides_and_nothing_else():
    images = torch.rand(6, 3, 20, 20)
    one, again = (SkyAugment()(images, generator(4)) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, SkyAugment()(images, generator(5)))


def test_each_image_is_changed_in_its_own_way():
    changed = SkyAugment()(galaxy(4, x=5), generator())
    assert len({tuple(np.round(place, 2)) for place in middle(changed).tolist()}) == 4


def test_mirrors_and_quarter_turns_keep_every_pixel():
    image = torch.rand(1, 2, 9, 9)
    ways = [torch.rot90(way, k, (2, 3)) for way in (image, image.flip(3)) for k in range(4)]
    changed = SkyAugment(**{**OFF, "mirror": True})(image.expand(200, 2, 9, 9), generator())
    found = [next(i for i, way in enumerate(ways) if torch.allclose(each, way[0], atol=1e-4)) for each in changed]
    assert set(found) == set(range(8))


def test_half_of_the_images_are_left_as_sharp_as_they_were():
    images = torch.rand(400, 1, 9, 9)
    changed = SkyAugment(**{**OFF, "turn": 180, "shift": 0.1, "zoom": 0.1})(images, generator())
    same = (changed - images).abs().amax((1, 2, 3)) < 1e-4
    assert 0.4 < same.float().mean() < 0.6


def test_a_turn_moves_what_is_off_the_centre_along_a_circle():
    changed = SkyAugment(**{**OFF, "turn": 180})(galaxy(60, size=51, x=6), generator())
    assert torch.allclose(middle(changed).norm(dim=1), torch.tensor(6.0), atol=0.3)


def test_a_shift_is_no_larger_than_asked():
    changed = middle(SkyAugment(**{**OFF, "shift": 0.1})(galaxy(200), generator()))
    assert 2.5 < changed.abs().max() < 3.4


def test_blur_spreads_light_and_keeps_it():
    images = galaxy(100, sigma=1.0)
    changed = SkyAugment(**{**OFF, "blur": 2.0})(images, generator())
    torch.testing.assert_close(changed.sum((1, 2, 3)), images.sum((1, 2, 3)), rtol=1e-3, atol=0)
    peaks = changed.amax((1, 2, 3))
    assert (peaks <= images.amax() + 1e-6).all()
    assert peaks.min() < 0.5 * images.amax()
    assert 0.3 < (peaks > 0.99 * images.amax()).float().mean() < 0.7


def test_brightness_keeps_colours():
    images = torch.rand(20, 3, 8, 8) * 0.5 + 0.1
    changed = SkyAugment(**{**OFF, "brightness": 0.2})(images, generator())
    factor = changed / images
    assert factor.std((1, 2, 3)).max() < 1e-5
    assert 0.8 <= factor.min() < factor.max() <= 1.2


@pytest.mark.parametrize("strength", [1.0, 5.0])
def test_values_stay_between_0_and_1(strength):
    changed = SkyAugment(noise=strength, brightness=0.9)(torch.rand(10, 3, 12, 12), generator())
    assert changed.min() >= 0
    assert changed.max() <= 1


def squares(count, size=24):
    """Images of one bright square each, twice as wide as high, and the box around it among rows that fill up."""
    images = torch.zeros(count, 3, size, size)
    images[:, :, 3:6, 13:19] = 1
    boxes = torch.zeros(count, 3, 5)
    boxes[:, 1] = torch.tensor([13, 3, 19, 6, 2])
    return images, boxes


def test_boxes_go_with_what_they_frame():
    images, boxes = squares(200)
    changed, moved = SkyAugment(**{**OFF, "mirror": True}).with_boxes(images, boxes, generator())
    for image, rows in zip(changed, moved, strict=True):
        left, bottom, right, top = rows[1, :4].int().tolist()
        assert image[:, bottom:top, left:right].min() == 1
        assert image.sum() == 3 * (right - left) * (top - bottom) == 3 * 18
    assert len({tuple(rows[1, :4].tolist()) for rows in moved}) == 8
    # The class stays, and so do the rows that fill up.
    assert torch.equal(moved[:, :, 4], boxes[:, :, 4])


def test_boxes_stay_where_nothing_is_moved():
    images, boxes = squares(5)
    changed, moved = SkyAugment(mirror=False, turn=0, shift=0, zoom=0).with_boxes(images, boxes, generator())
    assert torch.equal(moved, boxes)
    assert not torch.equal(changed, images)
    assert (changed[:, :, 3:6, 13:19].mean((1, 2, 3)) > 0.5).all()
