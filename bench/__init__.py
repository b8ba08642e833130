"""What is claimed in numbers, re-measured: ``python -m bench`` lists the benchmarks, ``python -m bench NAME`` runs one."""
