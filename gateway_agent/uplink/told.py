"""Exchanges for whose answer nobody waits, and whose error is still taken for a while."""

import asyncio

from gateway_agent.uplink.client_socket import Exchange

TOLD_S, TOLD_MOST = 30.0, 64
"""How long the error answer to what was told is waited for, and how many of them at once."""


class Told:
    """What was told lately."""

    def __init__(self) -> None:
        self._timers: dict[Exchange, asyncio.TimerHandle] = {}

    def add(self, exchange: Exchange) -> None:
        """Take its error for 30 s; the oldest is forgotten when there are too many."""
        while len(self._timers) >= TOLD_MOST:
            self.forget(next(iter(self._timers)))
        self._timers[exchange] = asyncio.get_running_loop().call_later(TOLD_S, self.forget, exchange)

    def forget(self, exchange: Exchange) -> None:
        """Take no answer to it any more."""
        timer = self._timers.pop(exchange, None)
        if timer is not None:
            timer.cancel()
        exchange.stop()

    def forget_all(self) -> None:
        """Take no answer to any of them."""
        for exchange in tuple(self._timers):
            self.forget(exchange)
