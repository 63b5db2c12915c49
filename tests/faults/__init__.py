"""Groups of `make faults`, one module each."""
