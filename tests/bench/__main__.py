"""`make bench ARGS=<group>`: measures, and asserts nothing."""

import sys

from tests.groups import run_group

sys.exit(run_group("tests.bench", ("case", "metric", "value", "unit"), None, sys.argv[1:]))
