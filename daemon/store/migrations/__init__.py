"""Named migrations, oldest first. A database is always brought to the newest one when it is opened."""
