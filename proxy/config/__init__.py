"""The tree of options: model, loading, problems, schema, reference."""
