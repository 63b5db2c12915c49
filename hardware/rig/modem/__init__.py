"""Modems in software: the UART, the emulators with one module a dialect, and the radio that carries their datagrams."""
