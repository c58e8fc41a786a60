"""The road to the upstream: session, wire, forward."""
