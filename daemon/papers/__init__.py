"""What an attached file says: read in a process that can open nothing, connect nowhere and start nothing."""
