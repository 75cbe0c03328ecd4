"""Engines: where the language model runs. All answer one question: how likely is each code, for each prompt?"""
