"""No more than 30 links are opened a minute, over all bearers together: platforms ban who opens more."""

import asyncio
from collections import deque

OPENINGS, OPENINGS_WITHIN_S = 30, 60.0


class Openings:
    """When links were opened lately."""

    def __init__(self) -> None:
        self._opened_s: deque[float] = deque(maxlen=OPENINGS)

    async def wait(self) -> None:
        """Return when another link may be opened; it counts as opened then."""
        loop = asyncio.get_running_loop()
        while len(self._opened_s) == OPENINGS:
            left_s = self._opened_s[0] + OPENINGS_WITHIN_S - loop.time()
            if left_s <= 0:
                break
            await asyncio.sleep(left_s)
        self._opened_s.append(loop.time())
