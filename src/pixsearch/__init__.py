"""From a folder of photos to a phone-ready pixel model with its accuracy and latency measured."""

__version__ = "0.1.0"
