"""How long to wait between two tries."""

from __future__ import annotations

import random
import time
from typing import Final

_FIRST: Final = 0.01
_LONGEST: Final = 0.5


class Backoff:
    """Counts failures in a row, and pauses longer after each."""

    def __init__(self) -> None:
        self.failures = 0

    def reset(self) -> None:
        """Begin anew, after a success."""
        self.failures = 0

    def pause(self) -> None:
        """Wait before the next try, and not in step with other processes."""
        pause = min(_LONGEST, _FIRST * 2.0 ** min(self.failures, 10))
        self.failures += 1
        time.sleep(pause * random.uniform(0.5, 1.0))
