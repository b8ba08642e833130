"""What runs the colors, behind one Protocol: ``local``, ``kubernetes`` and the shipped ``fake``."""

from deploy.errors import UsageError
from deploy.platform.base import Address, Observation, Platform, Rehearsed
from deploy.settings import Settings

__all__ = ["Address", "Observation", "Platform", "Rehearsed", "open_platform"]


def open_platform(settings: Settings, environment: str) -> Platform:
    """The platform of an environment.

    Raises:
        UsageError: unknown environment, or a platform that this version does not have.
    """
    platform = settings.environment(environment).platform
    if platform == "local":
        from deploy.platform.local import LocalPlatform

        return LocalPlatform(settings, environment)
    raise UsageError(
        f"environment {environment!r} is on the platform {platform!r}, which this version cannot release to yet; "
        'environments it can release to have platform = "local"'
    )
