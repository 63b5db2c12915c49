"""What goes over wires, as bytes in and values out; runs unchanged on CPython and MicroPython."""
