"""Verdigris: blue/green releases proven by pytest suites."""

__version__ = "0.1.0"
