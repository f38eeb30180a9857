#!/usr/bin/env python3
"""One process that looks like a worker and burns half a core in `burn_in_container`, for containers that start at once.

It names itself `litellm` by its arguments, so that it is found as a proxy is. `ready` is its only line.
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
        burn_in_container(0.1)
        time.sleep(0.1)
