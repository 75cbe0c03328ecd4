"""One night's work, in a process of its own: lessons in, a judged model folder out."""
