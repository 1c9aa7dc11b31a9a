"""How a candidate is judged, one file a way."""
