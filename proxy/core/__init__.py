"""What several parts share: exchange, body, reply, errors, options, and what shows no secret."""
