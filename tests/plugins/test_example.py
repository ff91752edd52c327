"""The plugin that the guide shows brings what it says, and is no other than what ships."""

import pytest


def test_it_is_found_with_what_it_brings(astrotl, example):
    done = astrotl("plugins", example, strict=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("builtin (astrotl ")
    assert done.stdout.endswith(
        "example (astrotl-example 1.0)\n  extractors  power-spectrum\n  tasks       loneliest\n"
    )
    assert not done.stderr


@pytest.fixture(scope="module")
def store(astrotl, example, images):
    done = astrotl("extract stack.npy --extractor power-spectrum --set scales=5 -o power.h5", example, strict=True)
    assert done.returncode == 0, done.stderr
    assert "power.h5: 12 x 5 features" in done.stdout
    return images / "power.h5"


def test_extractor_task_and_command_work_as_those_that_ship(astrotl, example, store):
    for command, said in {
        "extractors power-spectrum": "--set scales= [12]",
        "run loneliest power.h5 -n 3 -o loneliest.ecsv": "loneliest.ecsv: 3 rows",
        "run --help": "loneliest   Find the objects that are farthest from their nearest neighbour.",
        "count power.h5": "12",
    }.items():
        done = astrotl(command, example, strict=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_a_store_outlives_its_plugin_and_says_whose_it_is(astrotl, store):
    assert astrotl("run similar power.h5 --query 3 -k 2").returncode == 0
    assert "engine      astrotl_example" in astrotl("info power.h5").stdout


def test_it_keeps_the_promises_that_astrotl_asks_of_every_plugin(python, example):
    code = """if True:
        from astrotl.plugins import load_extractor, load_task
        from astrotl.testing import check_extractor, check_task
        check_extractor(load_extractor("power-spectrum")())
        check_task(load_task("loneliest")())
        """
    done = python("-c", code, packages=[example], strict=True)
    assert done.returncode == 0, done.stderr
