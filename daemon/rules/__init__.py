"""All that is decided: values in, values out. No database, no connector that acts, no clock, no I/O."""
