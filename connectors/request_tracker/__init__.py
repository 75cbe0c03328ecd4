"""Request Tracker 5 as a mailbox: queues are folders, tickets are messages."""
