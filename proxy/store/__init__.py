"""Where replies are stored: what ``core/stored`` says of a store, in several ways."""
