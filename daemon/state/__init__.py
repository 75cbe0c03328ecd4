"""The state directory: whose it is, who works in it, what lies in it for a while, and whether there is room."""
