"""Floor 3: from a prepared dataset and a recipe to a trained model."""
