"""What runs the colors, behind one Protocol: ``local``, ``kubernetes`` and the shipped ``fake``."""

from deploy.platform.base import Address, Observation, Platform, Rehearsed
from deploy.settings import Settings

__all__ = ["Address", "Observation", "Platform", "Rehearsed", "open_platform"]


def open_platform(settings: Settings, environment: str) -> Platform:
    """The platform of an environment.

    Raises:
        UsageError: unknown environment.
    """
    platform = settings.environment(environment).platform
    if platform == "local":
        from deploy.platform.local import LocalPlatform

        return LocalPlatform(settings, environment)
    from deploy.platform.kubernetes import KubernetesPlatform

    return KubernetesPlatform(settings, environment)
