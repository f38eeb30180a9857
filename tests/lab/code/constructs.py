"""Every construct of the language from Python 3.10 on, laid out so that lines and instructions do not go in step.

`here()` records the frame that calls it. What a later version brought is a string, compiled where it is known.
"""

import asyncio
import contextlib
import functools
import sys
from dataclasses import dataclass


def nothing(*args, **kwargs):
    here()
    return args[0] if args else None


def decorated_by(*args):
    def decorate(function):
        @functools.wraps(
            function
        )
        def wrapper(*args, **kwargs):
            return (
                function(
                    *args,
                    **kwargs,
                )
            )

        return wrapper

    return decorate


@decorated_by(
    "a",
    "b",
)
@decorated_by()
def calls_over_lines(a,
                     b=nothing(
                         2
                     ),
                     *rest,
                     c: int = 3,
                     **others: "str") -> "a value":
    """A docstring
    over two lines."""
    result = nothing(
        a,
        nothing(
            b,
            c=nothing(
                c,
            ),
        ),
        *rest,
        x=nothing(1) +
          nothing(2) *
          nothing(3),
        **others,
    )

    result = (nothing(1)

              + nothing(
                  2)
              -
              nothing(3))
    return \
        result


class Plain:
    """A class."""

    attribute: int = nothing(
        1
    )
    other = [
        nothing(n)
        for n in range(2)
    ]

    def method(self):
        def inner():
            return self.attribute + lone

        lone = 1
        return inner()

    @property
    def value(self):
        return super().__hash__()

    @staticmethod
    def static(): return here()

    @classmethod
    def made(cls): here(); return cls(

    )

    class Nested(
        dict,
    ):
        def __getitem__(self, key):
            return (lambda:
                    super(Plain.Nested, self).get(key,
                                                  here()))()


@dataclass
class Point:
    x: int
    y: int = 0


def comprehensions():
    a = [
        nothing(x)
        for x in range(3)
        if nothing(x)
        if (
            x > 0
        )
    ]
    b = {
        (x, y): [
            z
            for z in (x, nothing(y))
        ]
        for x in a
        for y in {
            nothing(w) for w in a
        }
    }
    c = sum(
        x *
        nothing(x)
        for x in a
    )
    return (lambda x,
            y=1:
            nothing(
                x
            ) or y)(a), b, c


def tries():
    for n in range(4):
        try:
            if n == 0:
                raise ValueError(
                    "zero",
                    here(),
                )
            elif n == 1:
                continue
            else:
                1 / (n - 2)
        except (
            ValueError,
            KeyError
        ) as error:
            here()
            del error
        except ZeroDivisionError:
            try:
                raise RuntimeError from None
            except RuntimeError:
                here()
            finally:
                here()
        else:
            here()
        finally:
            here()
    try:
        return here()
    finally:
        here()


def loops():
    n = 0
    while (
        n < 3 and
        nothing(True)
    ):
        n += 1
        if n == 2:
            break
    else:
        here()
    for n, (a, *b) in [
        (1, "ab"),
        (2, "cd"),
    ]:
        if not nothing(n): pass
        elif a: here()
    else:
        here()
    return n if (
        nothing(n)
    ) else (
        0
    )


def withs():
    with contextlib.suppress(ValueError), contextlib.nullcontext(
        here()
    ) as value:
        nothing(value)
        raise ValueError
    with (
        contextlib.nullcontext(1) as a,
        contextlib.nullcontext(
            here()
        ),
    ):
        for _ in range(2):
            with contextlib.nullcontext():
                if a:
                    break
        return here()


def matches(subject):
    match subject:
        case 0 | 1:
            here()
        case [Point(x=0, y=y), *rest] if (
            nothing(y + 1)
        ):
            here()
        case {"key": value, **others}:
            here()
        case Point(
            x,
            y
        ):
            here()
        case str() as text:
            here()
        case _:
            here()


def expressions(n):
    if (found := nothing(n)) and 0 < (
        n
    ) < nothing(
        10
    ) != 5:
        here()
    text = f"{n} {nothing(n)!r:>{nothing(10)}} {found=}" \
        f"{nothing(1)}" f"""
        {
            nothing(2)
        } and {
            found}"""
    items = [1, *range(n), *[
        nothing(3)]]
    table = {**{"a": 1}, "b": nothing(
        2)}
    items[
        0
    ] = table[
        "b"
    ] = nothing(5)
    items[nothing(0):
          nothing(2)] += [
        n
    ]
    del items[0], table["a"]
    a, b = (
        b,
        *a
    ) = nothing(1), nothing(2)
    assert (
        nothing(True)
    ), "never"
    return (
        not a
        or b
        and ~n
        or -n,
        text,
    )


def generator():
    got = yield nothing(
        1
    )
    try:
        yield (
            got
        )
        yield from (
            nothing(n)
            for n in range(2)
        )
    finally:
        here()


class Asynchronous:
    async def __aenter__(self):
        await asyncio.sleep(0)
        return here()

    async def __aexit__(self, *error):
        await asyncio.sleep(0)
        here()

    async def many(self):
        for n in range(3):
            yield nothing(
                n
            )


async def asynchronous():
    async with Asynchronous() as a, \
            Asynchronous(
            ):
        here()
        async for n in Asynchronous(
        ).many():
            if n == 1:
                continue
            nothing(n)
        else:
            here()
        found = [
            nothing(n)
            async for n in Asynchronous().many()
            if await asyncio.sleep(
                0,
                True
            )
        ]
    return await asyncio.gather(
        asyncio.sleep(0, here()),
        *[asyncio.sleep(0, n) for n in found],
    ), a


def scopes():
    count = 0

    def closure():
        nonlocal count
        global everywhere
        count += 1; everywhere = count; here()
        import json as j, \
            os.path
        from collections import (
            OrderedDict,
            deque as d,
        )
        return j, os, d, OrderedDict

    closure(

    )
    return count


# A function with jumps and names that need EXTENDED_ARG, and one with gaps larger than a step of the table.
LONG = "def long(n):\n" + "".join(
    f"    name_{n} = here() if n == {n} else nothing_{n}(\n        {n}) if n < 0 else n\n" for n in range(400)
) + "    for n in range(2):\n" + "        n = n + 1\n" * 400 + "        here()\n    return n\n"
GAPS = "def gaps():\n    here()" + "\n" * 200 + "    nothing(1," + "\n" * 1000 + "  here()," + "\n" * 70_000 + "\n  here())\n" \
    + "    return [" + "\n" * 127 + "0," + "\n" * 128 + "1," + "\n" * 129 + "here()]\n"

NEWER = {
    (3, 11): """
def groups():
    try:
        raise ExceptionGroup(
            "both", [
                ValueError(), TypeError(),
            ])
    except* ValueError as error:
        here()
    except* (
        TypeError
    ):
        here()
    else:
        here()
    finally:
        here()
groups()
""",
    (3, 12): """
type Pair[
    A
] = tuple[
    A, A
]
def texts(n):
    return f"{n} {
        nothing(n)
    } {f"{
        here()
    }"}"
texts(1)
class Generic[T: (
    int, str
)]:
    def method[
        U
    ](self, x: T,
      y: U) -> U:
        here()
        return y
Generic().method(1, 2)
Pair.__value__
""",
    (3, 14): """
def templates(x):
    def annotated(
        y: nothing(
            1
        )
    ): pass
    annotated.__annotations__
    try:
        return t"{x} {
            nothing(x)
        }"
    except ValueError, TypeError:
        here()
templates(1)
""",
}

calls_over_lines(1, 2, 3, z=4)
Plain().method(), Plain().value, Plain.static(), Plain.made(), Plain.Nested()["a"]
comprehensions()
tries()
loops()
withs()
for subject in 0, [Point(0, 1), 2], {"key": 1, "other": 2}, Point(1, 2), "text", 1.5:
    matches(subject)
g = generator()
next(g), g.send(2), list(g)
asyncio.run(asynchronous())
scopes()
expressions(3)
for source in LONG, GAPS:
    exec(keep(source, "<made>"), globals())
long(7), gaps()
eval(keep("[here(),\n here()]", "<made>", "eval"))
for version, source in NEWER.items():
    if sys.version_info >= version:
        exec(keep(source, f"<made for {version}>"), globals())
