"""What a study asks of a scheduler, and whether that scheduler can run it."""
