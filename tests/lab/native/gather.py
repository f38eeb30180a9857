"""Hundreds of tasks at a time in an event loop, of two kinds that wait at different depths."""

import asyncio

import truth


def crunch(rounds):
    for _ in range(rounds):
        pass


async def shallow():
    await asyncio.sleep(0)
    crunch(100)


async def deep():
    await deeper()
    crunch(50)


async def deeper():
    await deepest()


async def deepest():
    crunch(200)
    await asyncio.sleep(0)
    crunch(100)


async def crowd(tasks):
    await asyncio.gather(*[shallow() if number % 2 else deep() for number in range(tasks)])


async def serve(arguments):
    for _ in range(10):
        await crowd(arguments.tasks)
    truth.begin(
        arguments,
        edges=[
            *truth.chain(truth.ELSEWHERE, "serve", "crowd"),
            *truth.chain("crowd", "crowd.<locals>.<listcomp>"),  # before 3.12
            *truth.chain(truth.ELSEWHERE, "shallow", "crunch"),
            *truth.chain(truth.ELSEWHERE, "deep", "deeper", "deepest", "crunch"),
            *truth.chain("deep", "crunch"),
        ],
        creations=[
            [caller, task] for caller in ("crowd", "crowd.<locals>.<listcomp>") for task in ("shallow", "deep")
        ],
    )
    while True:
        await crowd(arguments.tasks)


def main():
    asyncio.run(serve(truth.arguments(__doc__, tasks=300)))


if __name__ == "__main__":
    main()
