"""What plugins bring is found by name. Packages that are really installed are in tests/plugins."""

import pytest

from astrotl import hookspecs, plugins
from astrotl.errors import PluginError


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        PluginError, match=r"there is no extractor 'profile' \(did you mean 'profiles'\?\); known: am-radio, arcs"
    ):
        plugins.load_extractor("profile")


def test_what_ships_comes_in_by_the_same_door():
    (builtin,) = (plugin for plugin in plugins.plugins() if plugin.name == "builtin")
    assert builtin.distribution == "astrotl"
    assert {"arcs", "concat", "dinov2", "efficientnet-lite0", "profiles", "timm", "ulisse"} <= set(builtin.extractors)
    assert set(builtin.tasks) == {"agn", "anomaly", "epochs", "lens", "properties", "similar"}


def test_every_hook_says_what_it_is_for():
    hooks = [getattr(hookspecs, name) for name in dir(hookspecs) if name.startswith("astrotl_")]
    assert len(hooks) == 3
    assert all(hook.__doc__ for hook in hooks)
