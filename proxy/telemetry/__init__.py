"""What is told to operators."""
