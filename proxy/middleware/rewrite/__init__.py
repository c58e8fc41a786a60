"""What a route changes of requests and replies."""
