"""Small changes of the rules, each of which a unit test must notice: ``python -m tests.mutants``."""
