#!/usr/bin/env python3
"""A program that knows how much CPU each of its functions used: short bursts of work between waits, as an event loop has,
and between sleeps that no frame of their own betrays.

Every line on its standard input is answered by one JSON line, function to CPU seconds so far. Ends with its input.
"""

import json
import random
import selectors
import sys
import time
from collections.abc import Callable

LONGEST_WAIT_SECONDS = 0.03
NAP_SECONDS = (0.06, 0.15)
cpu: dict[str, float] = {}
stdin = selectors.DefaultSelector()
stdin.register(sys.stdin, selectors.EVENT_READ)


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def burn_short() -> None:
    burn(random.uniform(0.001, 0.004))


def burn_middling() -> None:
    burn(random.uniform(0.005, 0.009))


def burn_long() -> None:
    burn(random.uniform(0.010, 0.020))


def nap() -> None:
    time.sleep(random.uniform(*NAP_SECONDS))


def timed(function: Callable[[], None]) -> None:
    before = time.thread_time()
    function()
    cpu[function.__name__] = cpu.get(function.__name__, 0.0) + time.thread_time() - before


def main() -> None:
    while True:
        timed(random.choice([burn_short, burn_short, burn_short, burn_middling, burn_middling, burn_long]))
        if random.random() < 0.1:
            nap()
        if stdin.select(random.uniform(0, LONGEST_WAIT_SECONDS)):
            if not sys.stdin.readline():
                return
            print(json.dumps(cpu), flush=True)


if __name__ == "__main__":
    main()
