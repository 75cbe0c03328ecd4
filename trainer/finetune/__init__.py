"""Fitting the language model: read texts with its lower layers, pool, fit the answers, write a model that serves."""
