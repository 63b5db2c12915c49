"""Light: the sun's times, and the schedules that the gateway gives its nodes so that they do without it."""
