"""The plugin that the guide shows brings what it says, and is no other than what ships."""


def test_it_is_found_with_what_it_brings(astrotl, example):
    done = astrotl("plugins", example, strict=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("builtin (astrotl ")
    assert done.stdout.endswith(
        "example (astrotl-example 1.0)\n  extractors  power-spectrum\n  tasks       loneliest\n"
    )
    assert not done.stderr


def test_extractor_task_and_command_work_as_those_that_ship(astrotl, example):
    for command, said in {
        "extractors power-spectrum": "--set scales= [12]",
        "extract stack.npy --extractor power-spectrum --set scales=5 -o power.h5": "power.h5: 12 x 5 features",
        "run loneliest power.h5 -n 3 -o loneliest.ecsv": "loneliest.ecsv: 3 rows",
        "run --help": "loneliest   Find the objects that are farthest from their nearest neighbour.",
        "count power.h5": "12",
        "info power.h5": "engine      astrotl_example",
    }.items():
        done = astrotl(command, example, strict=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_a_store_outlives_its_plugin_and_says_what_is_missing(astrotl, example):
    assert astrotl("extract stack.npy --extractor power-spectrum -o gone.h5", example).returncode == 0
    assert astrotl("run similar gone.h5 --query 3 -k 2").returncode == 0
    done = astrotl("extract stack.npy --extractor power-spectrum -o other.h5")
    assert "there is no extractor 'power-spectrum'" in done.stderr
