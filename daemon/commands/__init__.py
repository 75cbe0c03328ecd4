"""What each `postroom` command does. `daemon.cli` only collects them.

A command reads its options, calls one function of the daemon and shows what it returns: as a table for people, as JSON
with --json. Errors are raised, worded by whoever found them, and printed in one place.
"""
