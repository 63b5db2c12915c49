"""Lets `python -m gateway_agent` do what the command `gatepost` does."""

from gateway_agent.cli import main

main()
