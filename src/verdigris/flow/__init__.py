"""The flow of a release, by strategy: its steps, its way back, and what brings an interrupted run to an end."""
