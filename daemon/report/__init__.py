"""What is told about the past: to a terminal, and as a page with pictures."""
