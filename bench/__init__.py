"""What is claimed in numbers, re-measured by one command: ``python -m bench``."""
