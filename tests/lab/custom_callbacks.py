"""A LiteLLM callback with a deliberate fault: it burns CPU on the event loop after every request."""

import hashlib
import os
import time
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

CPU_SECONDS = float(os.environ.get("LAB_CPU_SECONDS", "0.2"))


class BurnCPU(CustomLogger):
    def expensive_pii_scrub(self, text: str) -> str:
        # Thread time, not wall time: on a crowded machine the fault is as large as on an idle one.
        end = time.thread_time() + CPU_SECONDS
        digest = b""
        while time.thread_time() < end:
            digest = hashlib.sha256(digest + text.encode()).digest()
        return digest.hex()

    async def async_log_success_event(self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any):
        self.expensive_pii_scrub(str(kwargs.get("messages")))


burn_cpu = BurnCPU()
