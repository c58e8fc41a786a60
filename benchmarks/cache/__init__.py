"""What stored replies cost, and what they are worth when the API is off."""
