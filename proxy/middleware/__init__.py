"""One concern, one file: the options and what acts on them."""
