"""Pictures of terminals for docs/screens, made by running the commands: `make screens`, ARGS="scan kit" for some."""
