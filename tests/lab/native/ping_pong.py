"""Two coroutines that take turns, without an event loop: each lets go from three frames below where it is resumed."""

import types

import truth


@types.coroutine
def give_way():
    yield


def think(rounds):
    for _ in range(rounds):
        pass


async def ping_inner():
    think(100)
    await give_way()


async def ping():
    while True:
        await ping_inner()


async def pong_inner():
    await give_way()
    think(200)


async def pong():
    while True:
        await pong_inner()


def alternate(one, other, times):
    for _ in range(times):
        one.send(None)
        other.send(None)


def main():
    arguments = truth.arguments(__doc__)
    one, other = ping(), pong()
    alternate(one, other, 1000)
    truth.begin(
        arguments,
        edges=[
            *truth.chain("main", "alternate", "ping", "ping_inner", "think"),
            *truth.chain("main", "alternate", "pong", "pong_inner", "think"),
            ["ping_inner", "give_way"],
            ["pong_inner", "give_way"],
        ],
        depths={"alternate": 3, "ping_inner": 5, "pong_inner": 5, "think": 6, "give_way": 6},
    )
    while True:
        alternate(one, other, 1000)


if __name__ == "__main__":
    main()
