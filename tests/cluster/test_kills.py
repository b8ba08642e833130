"""A deployer that is killed at an effect leaves nothing that ``recover`` on another machine does not bring to an end.

A part of the matrix; more of it: ``python -m bench cluster``.
"""

from pathlib import Path

import pytest

from tests.cluster.images import Images
from tests.cluster.kubectl import Kubectl
from tests.crash.cluster import FLOWS, stage
from tests.crash.cluster_driver import effect

RECOVER_SECONDS = 10.0
"""From the Lease's expiry on."""
SWITCH = "PATCH services/tiny generation+switch+selector"
POINTS = {
    "first": (f"after {SWITCH}",),
    "good": ("after PATCH deployments/tiny-green deployment+generation", f"after {SWITCH}"),
    "watched": ("after PATCH configmaps/verdigris-journal rollback",),
    "rollback": (f"before {SWITCH}",),
    "rolling": ("after PATCH deployments/tiny deployment+generation",),
    "rolling undone": ("after PATCH configmaps/verdigris-journal rollback",),
}
"""By kind of run: the points at which it is killed, each where it first comes."""
WITH_NEXT = ("good", "rolling")
"""Where the next release is made too."""


@pytest.mark.alone
@pytest.mark.parametrize("name", POINTS)
def test_a_killed_run_is_recovered_on_another_machine(
    tmp_path: Path, admin: Kubectl, images: Images, name: str
) -> None:
    """One verified color is live, nobody lost a request, nothing is left over, and the next release goes through."""
    with stage(tmp_path / "it", name, admin, images) as made:
        kills = [made.kill(0, point) for point in POINTS[name]]
        if name in WITH_NEXT:
            made.next_works(kills[-1])
        made.finish(kills)
    for found in kills:
        assert not found.wrong, found
        assert not found.manual, found
        assert found.lost == 0, found
        assert found.seconds <= RECOVER_SECONDS, found


def test_every_kind_of_run_is_killed() -> None:
    """A kind that is added to the matrix is in this part of it too."""
    assert set(POINTS) == set(FLOWS)


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        pytest.param("GET", "services/tiny", None, None, id="a read"),
        pytest.param("POST", "../selfsubjectaccessreviews", {"spec": {}}, None, id="a question"),
        pytest.param("PATCH", "leases/verdigris", {"spec": {"renewTime": "now"}}, None, id="a renewal"),
        pytest.param(
            "PATCH",
            "leases/verdigris",
            {"spec": {"holderIdentity": None}},
            "PATCH leases/verdigris holderIdentity",
            id="the lease given back",
        ),
        pytest.param("DELETE", "deployments/tiny-blue", {}, "DELETE deployments/tiny-blue", id="a deletion"),
        pytest.param(
            "POST",
            "configmaps",
            {"metadata": {"name": "tiny-blue-0123456789"}, "data": {"deployment.json": "{}"}},
            "POST configmaps/tiny-blue",
            id="a name without its hash",
        ),
    ],
)
def test_every_writing_request_is_an_effect(method: str, path: str, body: dict[str, object], named: str | None) -> None:
    """Whatever is written is a point, but renewals of the Lease and questions of what is allowed."""
    assert effect(method, f"/api/v1/namespaces/some/{path}", body) == named
