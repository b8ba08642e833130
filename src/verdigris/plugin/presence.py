"""The harness's own plugins in a run: none is taken out, by ``-p no:NAME``, by a conftest or by another plugin.

Each sees something that nobody else sees, such as a test that was left out or an answer of somebody else; without it
less would be found, and more would pass.
"""

import pytest


class Presence:
    """Registers the plugins, and says which of them are gone."""

    def __init__(self, manager: pytest.PytestPluginManager) -> None:
        self._manager = manager
        self._plugins: dict[str, object] = {}

    def add(self, plugin: object, name: str) -> None:
        """Register a plugin.

        Raises:
            pytest.UsageError: if somebody blocked its name.
        """
        if self._manager.register(plugin, name) is None:
            raise blocked(name)
        self._plugins[name] = plugin

    def gone(self) -> list[str]:
        """What was taken out since it was last asked; a plugin that comes back does not know what it missed."""
        found = [name for name, plugin in self._plugins.items() if self._manager.get_plugin(name) is not plugin]
        for name in found:
            del self._plugins[name]
        return found


def blocked(name: str) -> pytest.UsageError:
    """What is said of a plugin that nobody may register."""
    return pytest.UsageError(f"the plugin {name} judges this run and is blocked: take out -p no:{name}")
