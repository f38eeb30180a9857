"""Computes, with two threads, and soon becomes another process or none, in the way that the first argument names. Says so
in JSON, one line, before. The process that comes of it ends by itself after a second.

exits, is killed, executes itself again, forks and goes on in the child, or begins and ends threads.
"""

import json
import os
import random
import signal
import sys
import threading
import time

LIVES_SECONDS = 1


def work(depth, until):
    if depth:
        return work(depth - 1, until)
    while time.monotonic() < until:
        sum(number * number for number in range(100))


def fork():
    if os.fork():
        os._exit(0)


def change_threads(until):
    while time.monotonic() < until:
        threads = [threading.Thread(target=work, args=(5, 0)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def execute():
    os.environ["EXECUTED"] = "once"
    os.execv(sys.executable, sys.orig_argv)


WAYS = {
    "exits": lambda: os._exit(0),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "executes": execute,
    "forks": fork,
    "threads": lambda: change_threads(time.monotonic() + LIVES_SECONDS / 2),
}

begun = time.monotonic()
was_executed = "EXECUTED" in os.environ
if not was_executed:
    print(json.dumps({"way": sys.argv[1]}), flush=True)
threading.Thread(target=work, args=(20, begun + LIVES_SECONDS), daemon=True).start()
work(20, begun + random.uniform(0, 0.1))
if not was_executed:
    WAYS[sys.argv[1]]()
work(20, begun + LIVES_SECONDS / 2)
os._exit(0)
