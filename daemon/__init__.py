"""The service and all it remembers. Never imports `trainer`: it starts it as a process of its own."""
