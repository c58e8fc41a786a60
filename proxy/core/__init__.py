"""The nouns: exchange, body, reply, errors, options."""
