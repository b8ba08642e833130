"""Taking secrets and control characters out of whatever is kept or printed."""
