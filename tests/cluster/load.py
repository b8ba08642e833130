"""Brings an image into the container runtime of a test cluster's node, where there is no registry.

A pod that names its image by digest is started without a registry if the runtime knows the image by that very name. The
archive carries the name (``examples/chatbot/image.py`` writes it so), importing keeps the manifest's digest, and the
pod's ``imageID`` is then the same words again. Layers that the node has are not sent once more.

    python -m tests.cluster.load ARCHIVE

NODE_CTR says how the node's ``ctr`` is called (``docker exec -i kind-control-plane ctr``); without it, it is the one of
this machine, with the socket beside the KUBECONFIG.
"""

import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path


def node_ctr() -> list[str]:
    """Find out how to speak to the node's container runtime."""
    if named := os.environ.get("NODE_CTR"):
        return [*shlex.split(named), "--namespace", "k8s.io"]
    socket = Path(os.environ["KUBECONFIG"]).resolve().parent / "containerd.sock"
    if not socket.is_socket():
        raise SystemExit(f"no container runtime at {socket}; say with NODE_CTR how the node's ctr is called")
    return ["ctr", "--address", str(socket), "--namespace", "k8s.io"]


def load(archive: Path) -> None:
    """Import an OCI archive, but for the layers that are there."""
    ctr = node_ctr()
    listed = subprocess.run([*ctr, "content", "ls", "--quiet"], capture_output=True, text=True, check=True)
    there = {digest.removeprefix("sha256:") for digest in listed.stdout.split()}
    with (
        tarfile.open(archive) as whole,
        subprocess.Popen([*ctr, "images", "import", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as node,
    ):
        with tarfile.open(fileobj=node.stdin, mode="w|") as sent:
            for member in whole:
                if Path(member.name).name not in there:
                    sent.addfile(member, whole.extractfile(member))
        assert node.stdin is not None
        node.stdin.close()
    if node.returncode:
        raise SystemExit(f"{' '.join(ctr)} images import: exit status {node.returncode}")


if __name__ == "__main__":
    load(Path(sys.argv[1]))
