"""Runs, tells so, and once asked becomes another program in the same process, which runs and tells so too."""

import json
import os
import sys
import threading

AFTER = """
import json
def after():
    print(json.dumps({"runs": "after"}), flush=True)
    while True:
        pass
after()
"""


def listen():
    sys.stdin.readline()
    os.execv(sys.executable, [sys.executable, "-c", AFTER])


def before():
    threading.Thread(target=listen, daemon=True).start()
    print(json.dumps({"runs": "before"}), flush=True)
    while True:
        pass


before()
