"""Kits for the field: what a technician needs without a network in one file, and what was done back in one file."""
