"""The subcommands of `gatepost` that belong to the agent; each module has a function `command`."""
