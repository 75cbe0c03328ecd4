"""Measurements on mail that is not ours. Run them by `make`; their figures are in docs/benchmarks.md."""
