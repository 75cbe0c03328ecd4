"""What Postroom remembers. `database` opens it; `mailboxes`, `messages`, `journal` and `learning` read and write it.

Every function takes the transaction it works in, and returns dataclasses from `records`.
"""
