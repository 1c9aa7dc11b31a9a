"""The anatomies of the networks of each space."""
