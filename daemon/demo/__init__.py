"""`postroom demo`: an office, its mail server and a day in its life."""
