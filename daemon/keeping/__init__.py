"""Backups: one file that holds an installation's memory, and bringing it back."""
