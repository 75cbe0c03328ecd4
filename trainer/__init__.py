"""One night's work, in a process of its own: lessons in, a judged model folder out."""

import daemon  # noqa: F401  before torch: it says how long threads may wait in a loop
