#!/usr/bin/env python3
"""One process that burns most of a core in `burn_in_container`, for containers that start at once.

`ready` is its only line.
"""

import time


def burn_in_container(seconds: float) -> int:
    """Burns so much CPU time of this thread."""
    end = time.thread_time() + seconds
    rounds = 0
    while time.thread_time() < end:
        rounds += 1
    return rounds


if __name__ == "__main__":
    print("ready", flush=True)
    while True:
        burn_in_container(0.15)
        time.sleep(0.05)
