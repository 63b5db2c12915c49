"""The firmware of a node: an ESP32 that reads devices on a sensor bus and serves them on the pole bus."""
