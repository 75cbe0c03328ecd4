"""What the mail world looks like to Postroom. Imports nothing of ours: `connectors` <- `daemon` <- `trainer`."""
