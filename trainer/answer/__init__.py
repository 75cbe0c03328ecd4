"""The other tuning, `tuning = "answer"`: LoRA on the whole base, where the answer stands."""
