"""Another attempt, when nothing can have happened twice."""
