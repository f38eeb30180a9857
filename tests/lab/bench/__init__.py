"""What sampling and watching cost: the measurements of `scripts/bench`, one a module."""
