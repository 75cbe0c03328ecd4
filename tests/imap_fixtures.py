"""Fixtures for the IMAP servers."""
