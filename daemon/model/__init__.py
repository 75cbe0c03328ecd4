"""What daemon and trainer share: from a message to a prompt, and from answers to honest probabilities."""
