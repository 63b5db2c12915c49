"""A simulated ESP32 board that the real esptool flashes: boot ROM, stub, flash, auto-reset, faults of each."""
