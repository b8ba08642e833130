"""The keys that say how names are reached, and who issued their certificates."""

from pathlib import Path

import pytest

from verdigris.errors import SettingsError
from verdigris.settings import Settings, load

CLUSTER = """\
application = "shop"
[environments.far]
platform = "kubernetes"
url = "{url}"
namespace = "shop"
kubernetes = {{ manifests = "k8s", image = "images/{{version}}.json" }}
{more}
"""
LOCAL = """\
application = "shop"
[environments.far]
platform = "local"
{more}
[environments.far.local]
port = 8400
command = ["run"]
artifact = "versions/{{version}}"
{local}
"""


def read(folder: Path, text: str) -> Settings:
    """Load ``text``."""
    path = folder / "environments.toml"
    path.write_text(text)
    return load(path)


def cluster(folder: Path, more: str = "", url: str = "https://shop.example.com") -> Settings:
    """Load an environment with a url."""
    return read(folder, CLUSTER.format(url=url, more=more))


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.0.0.1:8443", "ingress.example.com", "[::1]:443", "[2001:db8::1]"]
)
def test_an_address_is_a_host_with_or_without_a_port(tmp_path: Path, address: str) -> None:
    """It is kept as it is written."""
    assert cluster(tmp_path, f'address = "{address}"').environment("far").address == address


@pytest.mark.parametrize("address", ["https://127.0.0.1", "127.0.0.1:99999", "a b", "::1", "", "host:"])
def test_another_address_is_refused(tmp_path: Path, address: str) -> None:
    """The message shows what is accepted."""
    with pytest.raises(SettingsError, match="is no host or host:port, such as "):
        cluster(tmp_path, f'address = "{address}"')


@pytest.mark.parametrize("more", ['address = "127.0.0.1"', 'ca = "ca.pem"'])
def test_local_makes_its_own_address_and_authority(tmp_path: Path, more: str) -> None:
    """There the two keys are refused."""
    with pytest.raises(SettingsError, match="address and ca belong to an environment with a url"):
        read(tmp_path, LOCAL.format(more=more, local=""))


def test_a_ca_is_found_from_the_folder_of_the_settings(tmp_path: Path) -> None:
    """A path of its own is taken as it is; without one the system's certificates are trusted."""
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    assert cluster(tmp_path, 'ca = "ca.pem"').authority("far") == str(tmp_path / "ca.pem")
    assert cluster(tmp_path, f'ca = "{tmp_path}/ca.pem"').authority("far") == str(tmp_path / "ca.pem")
    assert cluster(tmp_path).authority("far") is None


def test_a_ca_is_read_only_where_its_environment_is_used(tmp_path: Path) -> None:
    """Settings of which another environment's file is not on this machine load; asking for it says what is missing."""
    settings = cluster(tmp_path, 'ca = "none.pem"')
    with pytest.raises(SettingsError, match=r"environments\.far\.ca = 'none\.pem' cannot be read: No such file"):
        settings.authority("far")


def test_an_environment_knows_whether_users_are_served_over_https(tmp_path: Path) -> None:
    """By the url, or on ``local`` by ``tls``."""
    assert cluster(tmp_path).environment("far").https
    assert not cluster(tmp_path, url="http://shop.example.com").environment("far").https
    assert read(tmp_path, LOCAL.format(more="", local="")).environment("far").https
    assert not read(tmp_path, LOCAL.format(more="", local="tls = false")).environment("far").https
