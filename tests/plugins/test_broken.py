"""Whatever is wrong with a plugin, astrotl works on, and says what is wrong and whose package it is."""

import pytest

LEFT_OUT = {
    "no-import": "ModuleNotFoundError: No module named 'no_such_module'",
    "leaving": "SystemExit: 3",
    "misspelt": "PluginValidationError: unknown hook 'astrotl_extractor' in plugin",
    "argument": "PluginValidationError: Plugin 'argument of astrotl-broken 2.3' for hook 'astrotl_commands'",
    "answer": """astrotl_extractors must return {"name": "package.module:Class"}, got ['mean']""",
    "failing": "ZeroDivisionError: division by zero",
    "builtin-name": "the extractor 'profiles' ships with astrotl; yours needs another name",
    "half-command": "astrotl_commands failed: OSError: no way",
    "leaving-command": "astrotl_commands failed: SystemExit: 4",
    "builtin-command": "astrotl_commands failed: the command 'info' is that of astrotl",
}
NOT_USABLE = {
    "no-class": "cannot be loaded from astrotl_broken.classes:Absent: AttributeError: module",
    "no-module": "cannot be loaded from astrotl_broken.abset:Mean: ModuleNotFoundError: No module named",
    "leaving-module": "cannot be loaded from astrotl_broken.leaving:Mean: SystemExit: 3",
    "needs-package": "needs the package no_such_package, which is not installed: pip install no_such_package",
    "no-extractor": "cannot be used: astrotl_broken.classes:Mean must be a subclass of astrotl.Extractor",
    "elsewhere": "cannot be used: its hook must name astrotl.extractors.profiles:Profiles, where the class is written",
}
BREAKS = {
    "wrong-shape": "WrongShape of astrotl-broken 2.3 promised features of shape (12, 1), but gave (12, 2)",
    "no-number": "NoNumber of astrotl-broken 2.3 promised finite features, but gave NaN or infinity for 12 images, "
    "first 0",
    "words": "Words of astrotl-broken 2.3 promised numbers, but gave the type <U6",
    "no-extract": "NoExtract of astrotl-broken 2.3 promised to turn images into features, but has no _extract",
}


@pytest.fixture(scope="module")
def plugins(astrotl, broken):
    return astrotl("plugins", broken)


@pytest.fixture(scope="module")
def extractors(astrotl, broken):
    return astrotl("extractors", broken)


@pytest.fixture(scope="module")
def store(astrotl, images):
    done = astrotl("extract stack.npy --extractor pixels --set bands=1 -o pixels.h5")
    assert done.returncode == 0, done.stderr
    return images / "pixels.h5"


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_broken_plugin_is_left_out_and_its_package_named(plugins, name):
    assert plugins.returncode == 0
    (line,) = (line for line in plugins.stdout.splitlines() if line.startswith(f"{name} "))
    assert line.startswith(f"{name} (astrotl-broken 2.3) is left out: {LEFT_OUT[name]}")
    assert (
        f"astrotl: warning: the plugin {name!r} of astrotl-broken 2.3 is left out: {LEFT_OUT[name]}" in plugins.stderr
    )


def test_the_others_are_as_they_were(plugins):
    assert plugins.stdout.startswith("builtin (astrotl ")
    assert "builtin (astrotl-broken 2.3)\n  extractors  none" in plugins.stdout
    assert plugins.stdout.count(" is left out: ") == len(LEFT_OUT)
    assert "Traceback" not in plugins.stderr


def test_strict_makes_it_an_error(astrotl, broken):
    done = astrotl("plugins", broken, strict=True)
    assert done.returncode == 1
    assert done.stderr.startswith("astrotl: error: the plugin 'answer' of astrotl-broken 2.3 is left out: ")


def test_python_is_warned_and_works_on(python, broken):
    code = """if True:
        import warnings
        from astrotl import Profiles, plugins
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert plugins.load_extractor("profiles") is Profiles
        print(len(plugins.broken_plugins()), {warning.category.__name__ for warning in caught})
        """
    # Commands are asked for by the command line alone.
    assert python("-c", code, packages=[broken]).stdout == "7 {'PluginWarning'}\n"


def test_what_ships_does_its_work_among_them(astrotl, broken, store):
    for command, said in {
        "extract stack.npy --extractor profiles --set bands=1 -o own.h5": "own.h5: 12 x 14 features",
        "run similar own.h5 --query 3 -k 2": "query",
        "run --help": "similar       Find the objects",
    }.items():
        done = astrotl(command, broken)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
        assert "Traceback" not in done.stderr


def test_half_a_plugins_commands_are_none(astrotl, broken):
    done = astrotl("--help", broken)
    assert "  fall " in done.stdout
    assert "  half " not in done.stdout


@pytest.mark.parametrize("name", NOT_USABLE)
def test_a_class_that_cannot_be_had_is_said(extractors, name):
    assert extractors.returncode == 0
    (line,) = (line for line in extractors.stdout.splitlines() if line.startswith(f"{name} "))
    assert line.partition("not usable: ")[2].startswith(
        f"the extractor {name!r} of astrotl-broken 2.3 {NOT_USABLE[name]}"
    )


def test_a_class_that_breaks_its_promise_is_caught(python, broken, images):
    code = f"""if True:
        from astrotl import errors, extract_features, open_source
        for name in {list(BREAKS)}:
            try:
                extract_features(open_source("stack.npy"), name, name + ".h5")
            except errors.ContractError as error:
                print(error)
        """
    done = python("-W", "ignore", "-c", code, packages=[broken])
    assert done.stdout.splitlines() == list(BREAKS.values()), done.stderr


def test_a_mistake_in_a_plugins_own_code_is_said_to_be_its(astrotl, broken, store):
    for command, said in {
        "extract stack.npy --extractor falling -o f.h5": "ZeroDivisionError: no light; while extracting rows 0:12 "
        "(ids 0 to 11) of f.h5 by Falling of astrotl-broken 2.3 (the option --debug shows where)",
        "run falling pixels.h5": "ZeroDivisionError: no answer; while FallingTask of astrotl-broken 2.3 was answering "
        "(the option --debug shows where)",
        "run no-column pixels.h5": "NoColumn of astrotl-broken 2.3 promised the column 'id', but gave name",
        "run no-dataclass pixels.h5": "NoDataclass of astrotl-broken 2.3 must be a frozen dataclass of its parameters",
        "fall": "ZeroDivisionError: division by zero (the option --debug shows where)",
    }.items():
        done = astrotl(command, broken)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == f"astrotl: error: {said}"
        assert "Traceback" not in done.stderr


def test_two_plugins_that_claim_one_name_are_both_named(astrotl, example, broken):
    done = astrotl("extractors power-spectrum", example, broken)
    assert done.returncode == 1
    assert (
        "the extractor 'power-spectrum' is claimed by the plugins 'example' of astrotl-example 1.0 and "
        "'twin' of astrotl-broken 2.3; uninstall one of them" in done.stderr
    )


def test_a_command_is_not_put_in_the_place_of_another_plugins(astrotl, example, broken, store):
    done = astrotl("count pixels.h5", example, broken)
    assert done.stdout == "12\n"
    assert (
        "the plugin 'twin-command' of astrotl-broken 2.3 is left out: astrotl_commands failed: the command 'count' is "
        "that of astrotl-example 1.0" in done.stderr
    )
