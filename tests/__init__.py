"""The tests mirror the folders; beside them stand whole-pole runs, faults and benchmarks."""
