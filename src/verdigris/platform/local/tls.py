"""A certificate authority of this machine, so that HTTPS is verified here as it is everywhere."""

from pathlib import Path

from verdigris import private_files


def ensure(folder: Path) -> Path:
    """Make the authority and the server's certificate where they are not there yet; the authority's file."""
    authority = folder / "ca.pem"
    if authority.exists():
        return authority
    import trustme

    private_files.folder(folder)
    private_files.close(folder)
    ca = trustme.CA(organization_name="Verdigris local")
    server = ca.issue_cert("localhost", "127.0.0.1", "::1")
    private_files.write(folder / "server.key", server.private_key_pem.bytes())
    chain = b"".join(part.bytes() for part in server.cert_chain_pems)
    private_files.write(folder / "server.pem", chain)
    private_files.write(authority, ca.cert_pem.bytes())
    return authority
