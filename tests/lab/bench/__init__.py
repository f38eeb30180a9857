"""What sampling costs: the measurements of `scripts/bench`, one a module."""
