"""The mail of an office that never was: its words in TOML files, a reader for them, and the writer."""
