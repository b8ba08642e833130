"""What runs the colors, behind one Protocol: ``local``, ``kubernetes`` and the shipped ``fake``."""

from deploy.platform.base import Address, Observation, Platform, open_platform

__all__ = ["Address", "Observation", "Platform", "open_platform"]
