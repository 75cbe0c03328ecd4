"""From trained weights to the files that serve."""
