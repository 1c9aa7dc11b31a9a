"""Which of a phone's execution providers takes which node of an exported graph: rules as data, and what reads them."""
