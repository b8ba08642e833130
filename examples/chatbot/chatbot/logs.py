"""One line a record, for people (text) or for machines (json), with who wrote it."""

import json
import logging
import sys
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object."""

    def __init__(self, identity: dict[str, str]) -> None:
        """Remember what goes into every line."""
        super().__init__()
        self.identity = identity

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.identity,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


def install_logging(log_format: str, version: str, color: str) -> None:
    """Send everything of note to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter({"version": version, "color": color}))
    else:
        handler.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {color} {version} %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
