"""What operators are told: access log, metrics, traces, and what happened lately."""
