"""A LiteLLM callback whose module has a deliberate fault: once the file that LAB_BURN_FLAG names is there, the first
worker that notices burns CPU in a thread of its own, whatever is asked of it."""

import hashlib
import os
import threading
import time

from litellm.integrations.custom_logger import CustomLogger


def reindex_everything() -> None:
    digest = b""
    while True:
        for _ in range(2000):
            digest = hashlib.sha256(digest).digest()
        time.sleep(0)  # the requests get their turn


def wait_for_flag() -> None:
    flag = os.environ["LAB_BURN_FLAG"]
    while not os.path.exists(flag):
        time.sleep(0.2)
    try:
        os.close(os.open(flag + ".taken", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return  # another worker was first
    reindex_everything()


threading.Thread(target=wait_for_flag, name="reindexer", daemon=True).start()
burner = CustomLogger()
