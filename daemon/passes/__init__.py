"""The steps of one pass over one mailbox, in the order in which `one_pass` takes them."""
