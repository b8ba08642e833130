"""What a person asks first of a release that did not make it: what did it log last?"""

from verdigris.model import Color, Outcome, Record, Step
from verdigris.platform import Platform

LINES = 500
READS = 100
"""At most so many pieces of a log are read; a piece is at most 1 MB."""


def last_words(record: Record, platform: Platform) -> str:
    """The last lines that the candidate logged, where it was stood up and is not confirmed; else nothing."""
    stood = any(moment.step is Step.DEPLOY for moment in record.timeline)
    if record.outcome is Outcome.CONFIRMED or record.candidate is None or not stood:
        return ""
    if record.candidate is Color.LIVE and _gone(record, platform):
        return ""  # who stands there now logged nothing of the candidate's
    text, offset = platform.log(record.candidate)
    for _ in range(READS):
        more, offset = platform.log(record.candidate, offset)
        if not more:
            break
        text = text[-1_000_000:] + more
    return "\n".join(text.splitlines()[-LINES:])


def _gone(record: Record, platform: Platform) -> bool:
    standing = platform.standing(Color.LIVE)
    return standing is None or standing.release != record.release
