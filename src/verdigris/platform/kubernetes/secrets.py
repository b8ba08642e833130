"""What an environment's application keeps secret in the cluster, so that nobody reads it in a record.

Whoever releases may read the Secrets of the namespace: they are part of a release. A suite, a log or a migration may
say one of their values aloud. It is taken out by its value, so the values are collected here.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from verdigris.errors import Refused
from verdigris.platform.kubernetes.api import Cluster
from verdigris.platform.kubernetes.configuration import PART
from verdigris.platform.kubernetes.transport import Object

LARGEST = 64 * 1024
"""Bytes; what is larger is an archive, which nobody prints."""
PUBLIC = re.compile(r"\.crt$|^ca\.pem$|^namespace$")
"""Keys of what every client is shown: certificates."""
_NAMED = re.compile(r"secret(name|ref|keyref)?$", re.IGNORECASE)
"""Keys under which a manifest names a Secret: secretRef, secretKeyRef, secretName, nodePublishSecretRef."""
_TELLING = re.compile(r"pass|secret|token|credential|auth(s|orization)?$|key$", re.IGNORECASE)
"""Names in a configuration file whose values are kept secret."""
_LINE = re.compile(r"""^\s*(?:export\s+)?["']?([\w.-]+)["']?\s*[:=]\s*(.+?)\s*,?\s*$""")


def values(cluster: Cluster, manifests: Iterable[Object], more: Iterable[str] = ()) -> frozenset[str]:
    """The values of the Secrets that the manifests, or what stands, name, and of the copies that releases made.

    An account that may not read Secrets, such as the one that verifies, is told so; nothing can be taken out for it.

    Args:
        more: names of further Secrets.

    Raises:
        PlatformError: if the API server does not answer.
    """
    try:
        every = cluster.list("Secret")
        standing = cluster.list("Deployment")
    except Refused:
        cluster.told("this account may not read Secrets: their values are not taken out of what suites write")
        return frozenset()
    wanted = {*more, *named([*manifests, *standing])}
    return frozenset(
        value
        for secret in every
        if secret["metadata"]["name"] in wanted or (secret["metadata"].get("labels") or {}).get(PART) == "configuration"
        for value in known(secret)
    )


def named(node: Any) -> Iterator[str]:
    """The names of the Secrets that anything in a manifest names: variables, volumes, pulling of images, TLS."""
    if isinstance(node, list):
        for one in node:
            yield from named(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if _NAMED.search(key) or key == "imagePullSecrets":
                for one in value if isinstance(value, list) else [value]:
                    name = one.get("name", one.get("secretName")) if isinstance(one, dict) else one
                    if isinstance(name, str):
                        yield name
            yield from named(value)


def known(secret: Object) -> frozenset[str]:
    """What whoever has a Secret knows: its values, the passwords in addresses, and what is secret in a file of it."""
    found: set[str] = set()
    for key, encoded in (secret.get("data") or {}).items():
        if PUBLIC.search(key) or len(encoded) > LARGEST * 4 // 3:
            continue
        try:
            found |= _parts(base64.b64decode(encoded).decode())
        except (UnicodeDecodeError, binascii.Error):
            found.add(encoded)  # not text: a record holds it as the API server does, if at all
    return frozenset(found - {""})


def _parts(text: str) -> set[str]:
    """A value as a whole, and what is secret in it where it is a file: JSON, or a name and a value a line."""
    found = {text.strip(), *_passwords(text.strip())}
    for secret, value in _leaves(text):
        found |= {*([value] if secret else []), *_passwords(value)}
    return found


def _leaves(text: str) -> Iterator[tuple[bool, str]]:
    """Whether its name says that it is secret, and a text in a file."""
    try:
        yield from _of_json(json.loads(text), secret=False)
    except (ValueError, RecursionError):
        for line in filter(None, map(_LINE.match, text.splitlines())):
            yield bool(_TELLING.search(line[1])), line[2].strip("\"'")


def _of_json(node: Any, *, secret: bool) -> Iterator[tuple[bool, str]]:
    if isinstance(node, str):
        yield secret, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _of_json(value, secret=secret or bool(_TELLING.search(key)))
    elif isinstance(node, list):
        for one in node:
            yield from _of_json(one, secret=secret)


def _passwords(text: str) -> Iterator[str]:
    """The password in an address, as it stands there and as it is meant."""
    try:
        password = urlsplit(text).password if "://" in text else None
    except ValueError:
        password = None
    if password:
        yield from (password, unquote(password))
