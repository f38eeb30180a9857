"""Burns some CPU in as many processes as asked for, until standard input ends. Prints their pids first."""

import os
import signal
import sys
import time


def burn():
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        sum(range(100))


def serve(parent):
    # The parent may be killed: nothing must be left behind then.
    while os.getppid() == parent:
        burn()
        time.sleep(0.05)


def main():
    parent = os.getpid()
    pids = []
    for _ in range(int(sys.argv[1])):
        pid = os.fork()
        if pid == 0:
            os.close(0)
            serve(parent)
            os._exit(0)
        pids.append(pid)
    print(*pids, flush=True)
    sys.stdin.read()
    for pid in pids:
        # A stopped process is ended by this signal alone. Not one that was reaped already: nobody else waits for them.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


main()
