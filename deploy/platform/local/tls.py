"""A certificate authority of this machine, so that HTTPS is verified here as it is everywhere."""

from pathlib import Path


def ensure(folder: Path) -> Path:
    """Make the authority and the server's certificate where they are not there yet; the authority's file."""
    authority = folder / "ca.pem"
    if authority.exists():
        return authority
    import trustme

    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    ca = trustme.CA(organization_name="Verdigris local")
    server = ca.issue_cert("localhost", "127.0.0.1", "::1")
    server.private_key_pem.write_to_path(str(folder / "server.key"))
    (folder / "server.key").chmod(0o600)
    chain = b"".join(part.bytes() for part in server.cert_chain_pems)
    (folder / "server.pem").write_bytes(chain)
    ca.cert_pem.write_to_path(str(authority))
    return authority
