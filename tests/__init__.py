"""Tests. Logic tests are fast; `imap`, `rt`, `model` and `slow` mark those that start real servers or models."""
