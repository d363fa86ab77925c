"""Search of settings: which, trained how, and what they gave."""
