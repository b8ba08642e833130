"""What runs the colors, behind one Protocol: ``local``, ``kubernetes`` and the shipped ``fake``."""

from verdigris.platform.base import Address, Observation, Platform, Rehearsed
from verdigris.settings import Settings

__all__ = ["Address", "Observation", "Platform", "Rehearsed", "open_platform"]


def open_platform(settings: Settings, environment: str) -> Platform:
    """The platform of an environment.

    Raises:
        UsageError: unknown environment.
    """
    platform = settings.environment(environment).platform
    if platform == "local":
        from verdigris.platform.local import LocalPlatform

        return LocalPlatform(settings, environment)
    from verdigris.platform.kubernetes import KubernetesPlatform

    return KubernetesPlatform(settings, environment)
