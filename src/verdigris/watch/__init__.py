"""What looks at the users' traffic after the switch: a probe of our own, and the rules that judge what it saw."""
