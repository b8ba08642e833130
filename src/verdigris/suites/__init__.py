"""Running a suite, and judging by its evidence alone whether it proved anything."""
