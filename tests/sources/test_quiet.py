"""Silence about headers, for one thread at a time."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given, settings
from hypothesis import strategies as st

from astrotl.sources import FileSource
from astrotl.sources._quiet import quiet_astropy


def warns():
    with pytest.raises(AstropyUserWarning):
        warnings.warn("of a header", AstropyUserWarning, stacklevel=1)
    return True


def is_silent():
    warnings.warn("of a header", AstropyUserWarning, stacklevel=1)
    return True


def test_inside_there_is_silence_about_astropy_alone():
    with quiet_astropy():
        assert is_silent()
        with quiet_astropy():
            assert is_silent()
        assert is_silent()
        with pytest.raises(UserWarning, match="of something else"):
            warnings.warn("of something else", stacklevel=1)
    assert warns()


def test_filters_that_someone_sets_outside_are_not_in_the_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_astropy():
            assert is_silent()
        assert warns()
        warnings.resetwarnings()
        with quiet_astropy():
            assert is_silent()


def test_other_threads_hear_everything():
    with ThreadPoolExecutor(1) as pool, quiet_astropy(), pytest.raises(AstropyUserWarning):
        pool.submit(is_silent).result()


@settings(max_examples=50, deadline=None)
@given(order=st.permutations([0, 0, 1, 1, 2, 2]))
def test_threads_that_overlap_leave_no_silence_behind(order):
    silences = {}
    # Each thread enters the first time it comes up in the order, and leaves the second time.
    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b, ThreadPoolExecutor(1) as c:
        pools = [a, b, c]

        def step(number):
            if number in silences:
                silences.pop(number).__exit__(None, None, None)
                assert warns()
            else:
                silences[number] = quiet_astropy()
                silences[number].__enter__()
            return number not in silences or is_silent()

        for number in order:
            assert pools[number].submit(step, number).result()
    assert warns()


def test_threads_that_read_files_with_small_sins_agree_and_say_nothing(tmp_path):
    paths = []
    for number in range(40):
        # BLANK is not for floating point numbers, of which astropy warns; the table keeps the file from being plain.
        hdu = fits.PrimaryHDU(np.full((8, 8), number, np.float32))
        hdu.header["BLANK"] = 7
        table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])])
        paths.append(str(tmp_path / f"{number:02}.fits"))
        with quiet_astropy():
            fits.HDUList([hdu, table]).writeto(paths[-1], output_verify="silentfix")
    source = FileSource(paths)
    before = list(warnings.filters)
    ready = threading.Barrier(4)

    def read(part):
        ready.wait()
        return part.read()

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(read, [source[n : n + 10] for n in range(0, 40, 10)]))
    assert not any(batch.failed for batch in batches)
    assert np.concatenate([batch.data for batch in batches])[:, 0, 0, 0].tolist() == list(range(40))
    assert warnings.filters == before
    assert warns()
