"""How Postroom would have done: a back-test by date that moves nothing."""
