"""The process: schedule, signals, lock, logs, and what it holds open."""
