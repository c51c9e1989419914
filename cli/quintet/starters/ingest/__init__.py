"""Weather: temperatures that people read off."""
