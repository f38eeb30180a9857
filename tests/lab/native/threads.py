"""Threads that all compute, each with functions of its own, while the main thread waits for them."""

import threading

import truth

SOURCE = """
def outer{0}(go):
    go.wait()
    while True:
        middle{0}()

def middle{0}():
    for _ in range(20):
        inner{0}()

def inner{0}():
    for _ in range(50):
        pass
"""


def main():
    arguments = truth.arguments(__doc__, threads=8)
    numbers = range(arguments.threads)
    functions = truth.generate("".join(map(SOURCE.format, numbers)))
    go = threading.Event()
    threads = [threading.Thread(target=functions[f"outer{number}"], args=[go], daemon=True) for number in numbers]
    for thread in threads:
        thread.start()
    truth.begin(
        arguments,
        edges=[
            edge for n in numbers for edge in truth.chain(truth.ELSEWHERE, f"outer{n}", f"middle{n}", f"inner{n}")
        ],
        roots=[truth.MODULE, "Thread._bootstrap"],
        phases={f"outer{number}": 1 / arguments.threads for number in numbers},
    )
    go.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
