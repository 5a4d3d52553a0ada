"""Floor 3: from a trained model to its accuracy, with noise and without."""
