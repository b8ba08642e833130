"""The certificate that users meet: trusted for its name, and valid for long enough."""

from typing import Any

import pytest


@pytest.mark.https
def test_certificate_is_trusted_and_does_not_expire_soon(certificate: Any, checks: Any) -> None:
    """The chain verifies for the name, and as many days are left as the settings ask for."""
    found = certificate()
    assert found.days >= checks.certificate_days, (
        f"{found}: {found.days:.1f} days are left, at least {checks.certificate_days:g} must be"
    )
