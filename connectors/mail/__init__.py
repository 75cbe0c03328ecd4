"""Reading a mail: from raw bytes to the text that a model may read. No connector, and used by all of them."""
