"""A stack that stands still while it uses a whole CPU: its leaf calls a loop within the interpreter that never comes back,
and so never looks at frames, threads or objects again, whatever becomes of them.

Says in JSON that it has begun, one line.
"""

import itertools
import json
import threading  # noqa: F401, it knows the names of threads

DEPTH = 30


def descend(depth):
    if depth:
        descend(depth - 1)
    else:
        spin()


def spin():
    print(json.dumps({"depth": DEPTH}), flush=True)
    # Unlike a loop in Python this looks neither at signals nor at who else wants the GIL.
    sum(itertools.repeat(0))


descend(DEPTH)
