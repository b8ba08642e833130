"""The root of every run: the suites with ``--env``, the project's own tests without."""
