"""A LiteLLM callback beside `names.json`, whose threads burn CPU in functions and files that carry those names, after
they have logged a traceback of such functions."""

import json
import sys
import threading
import time
import traceback
import types
from pathlib import Path

from litellm.integrations.custom_logger import CustomLogger

CPU_SECONDS = 0.004
REST_SECONDS = 0.4


def burn() -> None:
    while True:
        end = time.thread_time() + CPU_SECONDS
        while time.thread_time() < end:
            pass
        time.sleep(REST_SECONDS)


def fail() -> None:
    raise ValueError(sys._getframe().f_code.co_name)


def named(function: types.FunctionType, name: str) -> types.FunctionType:
    """Any text can be a code object's name and file, which is what a profiler and a traceback see."""
    place = f"/srv/{name}/{name}.py"
    return types.FunctionType(function.__code__.replace(co_name=name, co_qualname=name, co_filename=place), globals())


for name in json.loads((Path(__file__).parent / "names.json").read_text()):
    try:
        named(fail, name)()
    except ValueError:
        traceback.print_exc(file=sys.stdout)
    threading.Thread(target=named(burn, name), name=name, daemon=True).start()

keeper = CustomLogger()
