"""What an application keeps secret in its cluster is found by where it is named, and by what is in it."""

import base64
from typing import Any

import pytest

from verdigris.platform.kubernetes.secrets import known, named


def secret(**data: str | bytes) -> dict[str, Any]:
    """A Secret as the API server gives it; a name's last underscore stands for a dot."""
    encoded = {
        ".".join(key.rsplit("_", 1)): base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
        for key, value in data.items()
    }
    return {"metadata": {"name": "any"}, "data": encoded}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"envFrom": [{"secretRef": {"name": "one"}}]}, id="all variables"),
        pytest.param({"env": [{"valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}}]}, id="a variable"),
        pytest.param({"volumes": [{"secret": {"secretName": "one"}}]}, id="a volume"),
        pytest.param({"volumes": [{"projected": {"sources": [{"secret": {"name": "one"}}]}}]}, id="a projected volume"),
        pytest.param({"volumes": [{"csi": {"nodePublishSecretRef": {"name": "one"}}}]}, id="a driver's volume"),
        pytest.param({"volumes": [{"azureFile": {"secretName": "one", "shareName": "s"}}]}, id="a cloud's volume"),
        pytest.param({"imagePullSecrets": [{"name": "one"}]}, id="pulling an image"),
        pytest.param({"tls": [{"hosts": ["h"], "secretName": "one"}]}, id="an Ingress"),
        pytest.param({"spec": {"template": {"spec": {"x": [{"secretRef": {"name": "one"}}]}}}}, id="somewhere deep"),
    ],
)
def test_a_secret_is_found_wherever_a_manifest_names_it(manifest: dict[str, Any]) -> None:
    """By every field that can, of every kind."""
    assert set(named([manifest])) == {"one"}


def test_what_names_no_secret_names_none() -> None:
    """A ConfigMap's name is not a Secret's, and a Secret without a name is none."""
    manifest = {"envFrom": [{"configMapRef": {"name": "one"}}], "volumes": [{"secret": {}}, {"secret": None}]}
    assert set(named(manifest)) == set()


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        pytest.param("hunter2-plain\n", {"hunter2-plain"}, id="plain"),
        pytest.param("postgres://app:p%40ss@db/app", {"p%40ss", "p@ss"}, id="an address"),
        pytest.param('{"auths": {"registry": {"auth": "bG9naW4="}}}', {"bG9naW4="}, id="a registry's login"),
        pytest.param('{"database": {"url": "amqp://a:deep-one@h", "password": "deep-two"}}',
                     {"deep-one", "deep-two"}, id="JSON"),
        pytest.param('{"credentials": [{"value": "nested"}]}', {"nested"}, id="JSON, nested"),
        pytest.param("# our own\nexport API_TOKEN='in-a-line'\nUSER=app\n", {"in-a-line"}, id="variables"),
        pytest.param("database:\n  password: in-yaml\n  host: db\n", {"in-yaml"}, id="YAML"),
        pytest.param("http://[::1", {"http://[::1"}, id="no address"),
        pytest.param(b"\xff\xfe\x00\x01key", {base64.b64encode(b"\xff\xfe\x00\x01key").decode()}, id="not text"),
    ],
)  # fmt: skip
def test_what_is_secret_in_a_value_is_known(value: str | bytes, secrets: set[str]) -> None:
    """The value itself, and what a file of it keeps secret."""
    found = known(secret(VALUE=value))
    assert secrets <= found
    if isinstance(value, str):
        assert value.strip() in found


def test_names_beside_a_password_are_no_secret() -> None:
    """Of a file only what its name says is secret: hosts and users stand in every message."""
    found = known(secret(settings_json='{"host": "database", "password": "deep-two", "replicas": 3}'))
    assert "deep-two" in found
    assert "database" not in found


def test_certificates_are_not_secret_and_their_keys_are() -> None:
    """Every client is shown a certificate; a test may say one."""
    assert known(secret(tls_crt="a certificate", ca_crt="an authority", tls_key="a private key")) == {"a private key"}


def test_an_archive_is_left_out() -> None:
    """Nobody prints a megabyte, and a pattern of it would be slow."""
    assert known(secret(VALUE="x" * 70_000)) == frozenset()
