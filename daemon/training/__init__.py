"""The hand-over between daemon and trainer: an order goes out, a verdict comes back, a model is put to use."""
