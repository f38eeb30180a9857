"""Code without a name of its own: lambdas, comprehensions (which have frames before 3.12), class bodies, executed text."""

import truth

NUMBERS = range(20)
EXECUTED = compile("for _ in range(20):\n    crunch()\n", truth.GENERATED, "exec")


def crunch():
    for _ in range(50):
        pass
    return 1


def lambdas():
    twice = lambda inner: (inner(), inner())
    twice(lambda: crunch())


def comprehensions():
    [crunch() for _ in NUMBERS]
    {crunch() for _ in NUMBERS}
    {number: crunch() for number in NUMBERS}
    sum(crunch() for _ in NUMBERS)


def bodies():
    class Body:
        crunched = crunch()


def executing():
    exec(EXECUTED, {"crunch": crunch})


def turn():
    lambdas()
    comprehensions()
    bodies()
    executing()


def main():
    arguments = truth.arguments(__doc__)
    for _ in range(100):
        turn()
    truth.begin(
        arguments,
        edges=[
            *truth.chain("main", "turn", "lambdas", "lambdas.<locals>.<lambda>", "crunch"),
            *truth.chain("lambdas.<locals>.<lambda>", "lambdas.<locals>.<lambda>"),
            *truth.chain("turn", "comprehensions", "crunch"),
            *truth.chain("comprehensions", "comprehensions.<locals>.<listcomp>", "crunch"),
            *truth.chain("comprehensions", "comprehensions.<locals>.<setcomp>", "crunch"),
            *truth.chain("comprehensions", "comprehensions.<locals>.<dictcomp>", "crunch"),
            *truth.chain("comprehensions", "comprehensions.<locals>.<genexpr>", "crunch"),
            *truth.chain("turn", "bodies", "bodies.<locals>.Body", "crunch"),
            *truth.chain("turn", "executing", truth.MODULE, "crunch"),
        ],
    )
    while True:
        turn()


if __name__ == "__main__":
    main()
