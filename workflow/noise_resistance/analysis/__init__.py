"""Floor 3: from files to numbers to tables and pictures; no TensorFlow."""
