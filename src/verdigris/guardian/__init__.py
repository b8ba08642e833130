"""A small process that finishes an interrupted run at once and by itself."""
