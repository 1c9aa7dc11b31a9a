"""Make a trained model smaller."""
