"""So many coroutines that await each other, each of another function, in an event loop. The last computes for a
millisecond or so, and then lets the loop have its way, which takes all frames off the stack and puts them back."""

import asyncio
import sys

import truth

AWAIT = """
async def c{0}():
    await c{1}()
"""
LAST = """
import asyncio

async def c{0}():
    while True:
        for _ in range(50_000):
            pass
        await asyncio.sleep(0)
"""


def main():
    arguments = truth.arguments(__doc__, frames=100)
    last = arguments.frames - 1
    if last < 0:
        sys.exit("--frames: at least one")
    sys.setrecursionlimit(arguments.frames + 1000)
    functions = truth.generate("".join(AWAIT.format(n, n + 1) for n in range(last)) + LAST.format(last))
    asyncio.run(serve(arguments, functions["c0"], last))


async def serve(arguments, first, last):
    truth.begin(
        arguments,
        edges=truth.chain(truth.ELSEWHERE, "serve", *[f"c{number}" for number in range(last + 1)]),
        phases={f"c{last}": 1},
    )
    await first()


if __name__ == "__main__":
    main()
