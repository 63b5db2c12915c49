"""Builds and signs the updates that nodes receive over the pole bus (protocols/spec/update-bundle.md)."""
