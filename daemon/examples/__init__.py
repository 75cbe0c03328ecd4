"""Labelled examples in a file, as people have them: a CSV file out of a spreadsheet, or one JSON object a line."""
