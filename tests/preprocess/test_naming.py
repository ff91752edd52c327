import dataclasses
import functools

import numpy as np
import pytest

import astrotl.preprocess
from astrotl.preprocess import (
    Asinh,
    Combine,
    CropCentre,
    FillNoData,
    Normalise,
    ZScale,
    make_step,
    step_from_signature,
    step_names,
    step_signature,
)


@dataclasses.dataclass(frozen=True)
class Flip:
    axis: int = 2

    def __call__(self, batch):
        return batch.with_data(np.flip(batch.data, self.axis), value_range=batch.value_range)


@dataclasses.dataclass
class Melting:
    axis: int = 2


def test_every_public_step_has_a_name():
    public = {
        name for name in astrotl.preprocess.__all__ if dataclasses.is_dataclass(getattr(astrotl.preprocess, name))
    }
    assert len(step_names()) == len(public)
    assert {name.replace("-", "") for name in step_names()} == {name.lower() for name in public}


@pytest.mark.parametrize("name", ["fill-no-data", "fillnodata", "FillNoData", "fill_no_data", "Fill-No-Data"])
def test_dashes_and_capitals_do_not_count(name):
    assert make_step(name, {"value": 2}) == FillNoData(value=2)


def test_z_scale_and_crop_centre_are_spelt_as_one_would():
    assert make_step("zscale") == make_step("z-scale") == ZScale()
    assert make_step("crop-centre", {"size": 3}) == CropCentre(3)


def test_an_unknown_step_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"^step: there is no 'crop-center' \(did you mean 'crop-centre'\?\); there are"
    ):
        make_step("crop-center")


def test_an_unknown_parameter_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"^soft: asinh has no such parameter.*it has softening"):
        make_step("asinh", {"soft": 1})


def test_a_signature_is_plain_json():
    assert step_signature(Normalise([0.5, 0.4], np.float32(0.25))) == {
        "step": "normalise",
        "parameters": {"mean": [0.5, 0.4], "std": 0.25},
    }


def test_a_signature_makes_an_equal_step():
    step = Combine(matrix=[[1, 0], [0.5, 0.5]])
    assert step_from_signature(step_signature(step)) == step


def test_a_step_of_ones_own_is_described_but_never_imported():
    signature = step_signature(Flip(3))
    assert signature == {"step": f"{__name__}:Flip", "parameters": {"axis": 3}}
    with pytest.raises(ValueError, match=r"^steps: .*:Flip' is not a step of astrotl; pass steps="):
        step_from_signature(signature)


def test_a_class_with_the_name_of_a_step_is_not_taken_for_it():
    impostor = dataclasses.make_dataclass("Asinh", [("softening", float, 0.1)], frozen=True)
    assert step_signature(impostor())["step"] != step_signature(Asinh())["step"]


@pytest.mark.parametrize(
    "step",
    [lambda batch: batch, np.copy, functools.partial(FillNoData(), 1), Melting(), FillNoData],
    ids=["lambda", "function", "partial", "mutable", "class"],
)
def test_what_cannot_be_described_is_refused_with_the_remedy(step):
    with pytest.raises(ValueError, match=r"^steps: .*@dataclass\(frozen=True\)"):
        step_signature(step)


def test_parameters_that_json_cannot_hold_are_refused():
    with pytest.raises(ValueError, match=r"^steps: the parameters of .* cannot be written as JSON"):
        step_signature(Flip(object()))


@pytest.mark.parametrize("signature", [{}, {"step": "os:system"}, {"step": None}, {"step": ["asinh"]}])
def test_nonsense_makes_no_step(signature):
    with pytest.raises(ValueError, match=r"^steps: .* is not a step of astrotl"):
        step_from_signature(signature)
