"""What is deleted, and when: by age every night, and because somebody asked to be forgotten."""
