"""What an environment remembers: journal, audit log, who holds its lock, and what `status` warns of."""
