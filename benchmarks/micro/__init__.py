"""What one request and one chunk cost, in counts that a noisy machine cannot change."""
