"""A LiteLLM callback that says too much: after every request it logs what a careless program logs, in every manner in
which logs are written. What it says is in the file that LAB_SAYINGS names: a JSON list of texts."""

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from litellm._logging import verbose_proxy_logger
from litellm.integrations.custom_logger import CustomLogger

SAYINGS = json.loads(Path(os.environ["LAB_SAYINGS"]).read_text())


def say(text: str) -> None:
    print(text)
    print(f"\x1b[32m{text[:9]}\x1b[0m\x1b[1m{text[9:]}\x1b[0m")
    print(json.dumps({"message": text, "level": "INFO", "nested": json.dumps({"prompt": text})}))
    print(f"INFO:     10.1.2.3:999 - \"GET /v1/models?user={text} HTTP/1.1\" 200 OK")
    print(f"12:00:00 - LiteLLM Proxy:ERROR: common_request_processing.py:1 - could not read {text}")
    logging.getLogger("uvicorn.error").error("refused %s", text)
    verbose_proxy_logger.error("Exception occured - %s", text)
    try:
        raise ValueError(f"bad input: {text}\nand its second line: {text}")
    except ValueError:
        traceback.print_exc(file=sys.stdout)
        verbose_proxy_logger.exception("failed for %s", text)


class Talkative(CustomLogger):
    async def async_log_success_event(self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any):
        for text in SAYINGS:
            say(text)
        sys.stdout.flush()


talkative = Talkative()
