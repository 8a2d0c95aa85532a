"""Who may wait for the database: how long, and how many at a time. Nobody waits for another to have waited.

A card asks what was said of earlier ones, and goes out without it after `LOOK_UP`. What must be kept before an answer
is 200, feedback and used tokens, waits for `WRITE` and is 503 then. The rest is written in the background.
"""

from __future__ import annotations

LOOK_UP = 0.1
"""Seconds that a card waits for what was said of earlier ones."""
WRITE = 2.0
"""Seconds that anything is waited for that is to be written: a connection, the lock of SQLite, a statement."""
MIGRATION = 10.0
"""Seconds to wait for another process that makes the tables, where no call waits for it."""
FEEDBACK_AT_ONCE = 1
"""Feedback calls of one client that a process reads and writes at a time: more would only wait for one another."""
