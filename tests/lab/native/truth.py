"""What the programs here have in common: each says which stacks it can have before it says `ready` and goes round for ever.

What it says is the JSON file named by `--declare`:

- `files`: the names, without folders, of the files whose functions are declared. Every other frame, of the
  standard library say, may follow anything, and is one of `elsewhere` to what follows it.
- `edges`: [caller, callee] by qualified name, for every call that a stack can show at any time after `ready`.
- `creations`: the same for a caller that only makes a coroutine: from 3.11 on a frame of it is there for an instant,
  which CPython itself calls incomplete and shows to nobody.
- `roots`: the functions that a stack can begin with.
- `depths`: how many frames there are from the root to a function, itself included, where that never varies.
- `phases`: the share of the CPU that passes below a function, of all named, where that is known.

SIGALRM's default action ends a program, so that its loop looks at no clock.
"""

import argparse
import json
import signal
import sys
from itertools import pairwise
from pathlib import Path

ELSEWHERE = "elsewhere"
GENERATED = "<generated>"
MODULE = "<module>"


def arguments(description, **numbers):
    """The arguments of every program, and these numbers with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--declare", type=Path, help="the file to write what is true of this program to")
    parser.add_argument("--seconds", type=float, default=300, help="when it ends at the latest")
    for name, default in numbers.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    return parser.parse_args()


def chain(*functions):
    """The edges of functions that call each other in this order."""
    return [list(edge) for edge in pairwise(functions)]


def generate(source):
    """Functions from source text."""
    namespace = {}
    exec(compile(source, GENERATED, "exec"), namespace)
    return namespace


def begin(arguments, edges, roots=(MODULE,), depths={}, phases={}, creations=()):
    """To be called when all is warmed up. Imports are over by now."""
    signal.setitimer(signal.ITIMER_REAL, arguments.seconds)
    if arguments.declare:
        declared = {
            "files": [Path(sys.argv[0]).name, GENERATED],
            "edges": [[MODULE, "main"], *edges],
            "creations": list(creations),
            "roots": list(roots),
            "depths": depths,
            "phases": phases,
        }
        arguments.declare.write_text(json.dumps(declared))
    print("ready", flush=True)
