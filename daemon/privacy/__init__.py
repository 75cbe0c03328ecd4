"""What keeps mail with its owner: closed files, deletion by age, forgetting a person."""
