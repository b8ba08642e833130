"""A signal that comes at a bad moment: nothing hangs for it, and it is not lost."""

import subprocess
import sys
from pathlib import Path

IMPORTS = """
import os, signal, sys, threading, time
from verdigris.errors import Interrupted
from verdigris.flow.context import Signals, taking_signals

signals = Signals()
with taking_signals(signals.receive):
    try:
        with signals.interruptible():
            import slow
            time.sleep(20)
    except Interrupted as signal_:
        print("interrupted by", signal_)
other = threading.Thread(target=lambda: print("imported", __import__("slow").DONE), daemon=True)
other.start()
other.join(10)
"""
SLOW = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.2)
DONE = "whole"
"""


def test_a_signal_in_the_middle_of_an_import_waits_for_its_end(tmp_path: Path) -> None:
    """Raised in there, it would leave the module's lock held, and the next thread that imports it would hang."""
    (tmp_path / "slow.py").write_text(SLOW)
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{IMPORTS}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["interrupted by SIGTERM", "imported whole"], done.stdout + done.stderr
