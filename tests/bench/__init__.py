"""Groups of `make bench`, one module each."""
