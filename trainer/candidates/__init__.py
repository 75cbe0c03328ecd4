"""The candidates of a night: what is trained from the lessons and judged by one exam."""
