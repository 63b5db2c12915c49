"""Stands in for hardware: buses, devices, the platform, and node machines that run the real firmware."""
