"""Several trainings with one table as the result."""
