"""Finding out what hangs on a bus: devices, their line settings and unit ids, and what is wrong with the line."""
