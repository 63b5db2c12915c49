"""`make faults ARGS=<group>`: breaks things many times and counts what survives."""

import sys

from tests.groups import run_group

sys.exit(
    run_group("tests.faults", ("case", "tried", "survived", "lost", "duplicated", "wrong"), "faults", sys.argv[1:])
)
