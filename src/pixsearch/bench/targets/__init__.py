"""Where an exported model is measured, one file a target."""
